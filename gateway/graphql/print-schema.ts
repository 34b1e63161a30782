import { printSchema } from 'graphql'
import { createSchema } from './schema.ts'

/** The public schema as SDL: what schema/schema.graphql holds. */
export const printedSchema = (): string => `${printSchema(createSchema())}\n`
