import type { ExecutionResult, OperationTypeNode } from 'graphql'

/** What came of an operation; text where it has no errors and is written already. */
export type Outcome = ExecutionResult | string | Buffer

/** A query or a mutation that can be carried out, by whichever way it came. */
export interface Operation {
  type: Exclude<OperationTypeNode, 'subscription'>
  /** As far as it is known. */
  name?: string | null
  run(): Promise<Outcome>
}
