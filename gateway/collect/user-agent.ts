import Bowser from 'bowser'
import { createBoundedCache } from './bounded-cache.ts'

export interface Agent {
  browser?: string
  os?: string
  /** desktop, mobile, tablet, tv, bot. */
  device?: string
}

/** Longer ones are cut: what follows tells nothing, and a pattern should not run over 32 KB from outside. */
const AGENT_CHARS = 512

/** Reads browser, operating system and device from User-Agent strings, each distinct one once. Never throws. */
export const createAgentReader = (cacheSize = 10_000): ((userAgent: string) => Agent) => {
  const cache = createBoundedCache<Agent>(cacheSize)
  return (userAgent) => cache.get(userAgent.slice(0, AGENT_CHARS), readAgent)
}

const readAgent = (userAgent: string): Agent => {
  if (userAgent.trim() === '') return {}
  try {
    const { browser, os, platform } = Bowser.parse(userAgent)
    return {
      ...(browser.name && { browser: browser.name }),
      ...(os.name && { os: os.name }),
      ...(platform.type && { device: platform.type }),
    }
  } catch {
    // An agent that the library cannot read is an agent that nobody knows.
    return {}
  }
}
