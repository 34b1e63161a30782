import { connectNats } from '#infra/nats/connect.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject } from '#schema/subjects.ts'
import { PARTITIONS } from './rig.ts'

const TENANT = 'main'

/** Hears, beside the gateway, when checkpoints that counted something were written. */
export const watchSettled = async (natsUrl: string) => {
  const nats = await connectNats(natsUrl, 'bench')
  /** Milliseconds of this process's clock, in order. */
  const times: number[] = []
  const note = (data: Uint8Array): void => {
    const { totals } = JSON.parse(Buffer.from(data).toString()) as Settlement
    if ((totals[TENANT]?.C ?? 0) > 0) times.push(performance.now())
  }
  for (let partition = 0; partition < PARTITIONS; partition++) {
    nats.nc.subscribe(settledSubject(partition), { callback: (error, { data }) => void (error ?? note(data)) })
  }
  await nats.nc.flush()
  return { times, stop: nats.close }
}
