import SchemaBuilder from '@pothos/core'
import type { GraphqlContext } from './context.ts'

interface Types {
  Context: GraphqlContext
  DefaultFieldNullability: false
  Scalars: {
    /** Output: milliseconds since 1970. Input: text, to be read with readTime, so that one bad time harms only itself. */
    DateTime: { Input: string; Output: number }
    /** Milliseconds. */
    Duration: { Input: number; Output: number }
    JSON: { Input: unknown; Output: unknown }
    Cursor: { Input: string; Output: string }
    BigInt: { Input: never; Output: number }
    ID: { Input: string; Output: string }
  }
}

/** A new builder: every schema has its own. Fields are non-null unless they say otherwise. */
export const createBuilder = () => new SchemaBuilder<Types>({ defaultFieldNullability: false })

export type Builder = ReturnType<typeof createBuilder>
