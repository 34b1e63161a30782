import type { FoldState, OlapPart, StoredPartition } from '#processors/ports.ts'
import type { Clock, DefinitionState, TenantState } from '#schema/checkpoint.ts'

const newer = (version: number, known: number | undefined): boolean => known === undefined || version >= known

/**
 * What a fold of one partition would have to know to go on from the last checkpoint that was read: the store has the
 * same as of the last one that was written.
 */
export class PartitionMemory {
  checkpoint: number
  sequence: number
  private readonly clocks = new Map<string, Clock>()
  private readonly definitions = new Map<string, DefinitionState>()
  private readonly tenants = new Map<string, TenantState>()

  constructor({ checkpoint, sequence, ...state }: StoredPartition) {
    this.checkpoint = checkpoint
    this.sequence = sequence
    this.take(state)
  }

  note(part: OlapPart): void {
    this.checkpoint = part.checkpoint
    this.sequence = part.sequence
    this.take(part)
  }

  state(): FoldState {
    return {
      clocks: [...this.clocks.values()],
      definitions: [...this.definitions.values()],
      tenants: [...this.tenants.values()],
    }
  }

  private take({ clocks, definitions, tenants }: FoldState): void {
    for (const clock of clocks) this.clocks.set(`${clock.tenant}\n${clock.source}`, clock)
    for (const state of definitions) {
      const { name, version } = state.definition
      const key = `${state.tenant}\n${name}`
      if (newer(version, this.definitions.get(key)?.definition.version)) this.definitions.set(key, state)
    }
    for (const settings of tenants) {
      const known = this.tenants.get(settings.tenant)
      if (newer(settings.version, known?.version)) this.tenants.set(settings.tenant, settings)
    }
  }
}
