import { measureMemory } from '../recovery/memory.ts'
import { buildState, type StateSize } from '../recovery/state.ts'

process.once('message', (size: StateSize) => {
  void measureMemory(buildState(size)).then((figures) => process.send!(figures, () => process.disconnect()))
})
