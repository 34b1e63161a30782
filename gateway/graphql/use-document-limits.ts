import { parse, type Source } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { checkBrackets, DOCUMENT_LIMITS, documentLimits } from './document-limits.ts'

/** Bounds what a document can cost before anything is made of it, and gives refusals their code. */
export const useDocumentLimits = (): Plugin => ({
  onParse({ setParseFn }) {
    setParseFn((source: string | Source, options?: object) => {
      checkBrackets(typeof source === 'string' ? source : source.body)
      return parse(source, { ...options, maxTokens: DOCUMENT_LIMITS.tokens })
    })
  },
  onValidate({ addValidationRule }) {
    addValidationRule(documentLimits)
    return ({ result }) => {
      for (const { extensions } of result) extensions.code ??= 'BAD_INPUT'
    }
  },
})
