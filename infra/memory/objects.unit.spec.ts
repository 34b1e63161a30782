import { objectStoreContract } from '#processors/archive/object-store.contract.ts'
import { MemoryObjects } from './objects.ts'

objectStoreContract('in memory', async () => {
  const objects = new MemoryObjects()
  return { store: objects.store(), another: () => objects.store(), close: async () => undefined }
})
