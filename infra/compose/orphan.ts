/**
 * Loaded into every child before its main file: no child outlives the supervisor, however that one ended. A child that
 * listens itself has set up an orderly stop and gets time for it; one that is not so far ends at once.
 */
const PATIENCE_MS = 20_000

process.on('disconnect', () => {
  if (process.listenerCount('disconnect') === 1) process.exit(1)
  setTimeout(() => process.exit(1), PATIENCE_MS).unref()
})
// The listener alone would keep a child alive that has nothing more to do.
process.channel?.unref()
