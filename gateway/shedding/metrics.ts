import { Gauge, type Registry } from 'prom-client'
import type { Shed } from './shed.ts'

/** What this gateway sheds, read when Prometheus asks. */
export const measureShedding = (registry: Registry, shed: Pick<Shed, 'lowestShare'>, partitions: number): void => {
  new Gauge({
    name: 'millrace_kept_share',
    help: 'Lowest share of the sessions of any tenant whose LOW events this gateway keeps; 1 when nothing is shed',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (let partition = 0; partition < partitions; partition++) this.set({ partition }, shed.lowestShare(partition))
    },
  })
}
