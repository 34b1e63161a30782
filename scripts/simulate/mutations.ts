/** A guard of the product, and the edit that takes it away. */
export interface Mutation {
  guard: string
  /** What the guard is there for. */
  why: string
  edits: readonly Edit[]
}

export interface Edit {
  /** From the project's root. */
  file: string
  /** Stands exactly once in the file. */
  find: string
  replace: string
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are texts of the source
export const MUTATIONS: readonly Mutation[] = [
  {
    guard: 'epoch before reading state',
    why: 'what a former owner commits after the state was read would be forgotten',
    edits: [
      {
        file: 'processors/runtime/owner.ts',
        find: 'const revision = await state.claim(head, before.revision)',
        replace:
          'await Promise.all(head.manifest.map((ref) => state.readChunk(ref, 0))); const late = await state.head(); head.epoch = (late.head?.epoch ?? 0) + 1; const revision = await state.claim(head, late.revision)',
      },
    ],
  },
  {
    guard: 'compare-and-set on the head',
    why: 'an owner that was taken over would go on writing',
    edits: [
      {
        file: 'infra/nats/state.ts',
        find: "'Nats-Expected-Last-Subject-Sequence': String(revision), ",
        replace: '',
      },
    ],
  },
  {
    guard: "position from the checkpoint, never the consumer's",
    why: 'what a consumer had handed out before a crash would never be read again',
    edits: [
      {
        file: 'scripts/simulate/server/server.ts',
        find: 'durables.get(key)?.remove()',
        replace: 'const known = durables.get(key); if (known) return known',
      },
      { file: 'infra/nats/log.ts', find: 'if (message.seq > next) return', replace: 'next = message.seq' },
    ],
  },
  {
    guard: 'tick in the log',
    why: 'a watermark would depend on who owned the partition, and when',
    edits: [
      {
        file: 'processors/runtime/owner.ts',
        find: "await log.append({ kind: 'tick', clocks: clocks.slice(at, at + MOST_TICKED) })",
        replace: 'for (const one of clocks) fold.tenant(one.tenant).clock(one.source).tick(one.watermark)',
      },
    ],
  },
  {
    guard: 'settlement before storage',
    why: 'events that do not count would be stored',
    edits: [
      {
        file: 'processors/storage/lines.ts',
        find: 'const text = outcomes[sequence]',
        replace: 'const text = outcomes[-sequence]',
      },
    ],
  },
  {
    guard: 'contiguous checkpoint numbers',
    why: 'what expired while a reader was away would be missing from its numbers',
    edits: [
      {
        file: 'infra/nats/outputs.ts',
        find: 'gone: checkpoint === after + 1 ? null : { checkpoint: checkpoint - 1, sequence: from - 1 }',
        replace: 'gone: from < 0 && checkpoint < 0 ? { checkpoint, sequence: from } : null',
      },
      {
        file: 'infra/nats/outputs.ts',
        find: 'if (found.checkpoint > last + 1) break\n      last++',
        replace: 'last = found.checkpoint',
      },
      {
        file: 'gateway/live/live-state.ts',
        find: 'if (checkpoint !== applied[partition] + 1) return false',
        replace: '',
      },
    ],
  },
  {
    guard: 'nonce on a refused batch',
    why: 'a write whose answer got lost would be taken for the write of another owner',
    edits: [
      {
        file: 'infra/nats/state.ts',
        find: 'if (now.head?.nonce === wanted.nonce) return now.revision',
        replace: '',
      },
    ],
  },
  {
    guard: 'identity by key',
    why: 'events of two sessions that chose the same id would be one',
    edits: [
      { file: 'schema/event.ts', find: '`${line.key}\\u0000${line.e.id}`', replace: 'line.e.id' },
      {
        file: 'schema/scan/frame-scanner.ts',
        find: 'hashIdentity(keyStart, keyEnd, e.idStart',
        replace: 'hashIdentity(e.idStart, e.idStart, e.idStart',
      },
    ],
  },
  {
    guard: 'orphans bounded by the claim',
    why: 'an owner that was stopped would remove the segments of the next one',
    edits: [
      {
        file: 'infra/nats/state.ts',
        find: 'broker.purge(stream, subject, before)',
        replace: 'broker.purge(stream, subject)',
      },
    ],
  },
  {
    guard: 'watchdog on consumers',
    why: 'a consumer that fell silent would leave its reader behind for ever',
    edits: [{ file: 'infra/nats/follow.ts', find: 'return strikes >= 2', replace: 'return false' }],
  },
  {
    guard: 'pending deltas of a definition that is replaced',
    why: 'what was counted since the last checkpoint would depend on where that fell',
    edits: [{ file: 'processors/windows/tenant.ts', find: 'this.replaced.rows.push(...changes.rows)', replace: '' }],
  },
  {
    guard: 'retraction of a session that has merged',
    why: 'its events would count in two sessions',
    edits: [{ file: 'processors/windows/sessions.ts', find: 'this.retract(from)', replace: '' }],
  },
  {
    guard: 'taking back what an ended session had counted',
    why: 'a session that goes on would be counted twice',
    edits: [
      { file: 'processors/windows/tracked-sessions.ts', find: 'if (ended === undefined) return', replace: 'return' },
    ],
  },
  {
    guard: 'sessions that are still open stay in the state',
    why: 'after a restart a session would begin anew in its middle',
    edits: [
      {
        file: 'processors/runtime/owner.ts',
        find: 'fold.tenant(row.tenant).isOpenSession(row)',
        replace: 'row.end < 0',
      },
    ],
  },
  {
    guard: 'place at which a session was counted',
    why: 'a metric that is defined later would take back what it had never counted',
    edits: [
      {
        file: 'processors/windows/session-metrics.ts',
        find: ' || at.ended < metric.sequence',
        replace: '',
      },
    ],
  },
  {
    guard: 'positions of the cursor',
    why: 'a dashboard that comes back would miss what changed meanwhile',
    edits: [
      {
        file: 'gateway/live/subscription.ts',
        find: 'const moment = { positions, time }\n    if (cursor.version',
        replace: 'const moment = view.moment(reading.operation.tenant)\n    if (cursor.version',
      },
    ],
  },
  {
    guard: 'sessions are shed by their hash alone',
    why: 'what one gateway has shed for good another one would take, or the same one a moment later',
    edits: [
      {
        file: 'gateway/shedding/shed.ts',
        find: 'hash128(`${tenant}\\u0000${key}`, seed, hash)',
        replace: 'hash128(`${tenant} ${key} ${Date.now()}`, seed, hash)',
      },
    ],
  },
  {
    guard: 'weight of a session that is counted',
    why: 'sessions that were shed would be missing in metrics on the end of sessions',
    edits: [{ file: 'processors/windows/session-metrics.ts', find: 'sign * line.weight', replace: 'sign' }],
  },
]
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are texts of the source
