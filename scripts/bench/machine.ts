import { cpus } from 'node:os'

/** What figures were measured on. */
export const machine = () => ({ cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version })
