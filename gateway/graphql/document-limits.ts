import {
  type ASTNode,
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql'

/** Bounds of a document. Inline events of a batch take most tokens and brackets. */
export const DOCUMENT_LIMITS = {
  tokens: 300_000,
  brackets: 100,
  depth: 12,
  /** Fields of one operation, those of fragments counted where they are spread. */
  fields: 500,
  rootFields: 20,
} as const

const refuse = (message: string, nodes?: ASTNode): GraphQLError => new GraphQLError(message, { nodes })

/** Index after the string or comment that starts at `at`, or `at` when none does. */
const skipText = (text: string, at: number): number => {
  if (text[at] === '#') {
    const end = text.indexOf('\n', at)
    return end < 0 ? text.length : end
  }
  if (text.startsWith('"""', at)) {
    let end = text.indexOf('"""', at + 3)
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 1)
    return end < 0 ? text.length : end + 3
  }
  if (text[at] !== '"') return at
  let end = at + 1
  while (end < text.length && text[end] !== '"' && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
  return end + 1
}

/** Throws when brackets nest too deep: the parser is recursive and would end in a stack overflow. */
export const checkBrackets = (text: string): void => {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const next = skipText(text, i)
    if (next > i) {
      i = next - 1
      continue
    }
    const char = text[i]
    if (char === '{' || char === '[' || char === '(') depth++
    else if (char === '}' || char === ']' || char === ')') depth--
    if (depth > DOCUMENT_LIMITS.brackets)
      throw refuse(`the document nests more than ${DOCUMENT_LIMITS.brackets} brackets; make it flatter`)
  }
}

const measure = (document: DocumentNode) => {
  const fragments = new Map(
    document.definitions.flatMap((one) => (one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one]] : [])),
  )
  let fields = 0
  let depth = 0
  // A fragment that spreads itself is found by the specified rules; here it only must not run on.
  const visit = (set: SelectionSetNode | undefined, level: number, within: ReadonlySet<string>): void => {
    for (const selection of set?.selections ?? []) {
      if (fields > DOCUMENT_LIMITS.fields) return
      if (selection.kind === Kind.FIELD) {
        fields++
        depth = Math.max(depth, level)
        visit(selection.selectionSet, level + 1, within)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) visit(selection.selectionSet, level, within)
      else if (!within.has(selection.name.value)) {
        const spread = fragments.get(selection.name.value)
        visit(spread?.selectionSet, level, new Set(within).add(selection.name.value))
      }
    }
  }
  return (operation: OperationDefinitionNode) => {
    fields = 0
    depth = 0
    visit(operation.selectionSet, 1, new Set())
    return { fields, depth }
  }
}

/** Validation rule: bounds the depth, the fields and the root fields (aliases included) of every operation. */
export const documentLimits = (context: ValidationContext): ASTVisitor => {
  const measured = measure(context.getDocument())
  return {
    OperationDefinition(operation) {
      const { fields, depth } = measured(operation)
      const roots = operation.selectionSet.selections.length
      if (depth > DOCUMENT_LIMITS.depth)
        context.reportError(refuse(`fields nest at most ${DOCUMENT_LIMITS.depth} deep; got ${depth}`, operation))
      if (fields > DOCUMENT_LIMITS.fields)
        context.reportError(
          refuse(`an operation has at most ${DOCUMENT_LIMITS.fields} fields; ask in parts`, operation),
        )
      if (roots > DOCUMENT_LIMITS.rootFields)
        context.reportError(
          refuse(`an operation has at most ${DOCUMENT_LIMITS.rootFields} root fields; got ${roots}`, operation),
        )
    },
  }
}
