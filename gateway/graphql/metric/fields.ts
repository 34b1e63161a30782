import { type DirectiveNode, type FieldNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql'

/** Fragments of a document by their names. */
export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>

/** Fields by the name under which they are answered, those that are merged together, in the order of the answer. */
export type Fields = ReadonlyMap<string, readonly FieldNode[]>

const hasDirectives = ({ directives }: { directives?: readonly DirectiveNode[] }): boolean =>
  directives !== undefined && directives.length > 0

export const keyOf = ({ alias, name }: FieldNode): string => (alias ?? name).value

/**
 * What fields of one name select together of an object of this type, fragments resolved. Null where a variable may
 * decide, or anything else that is only known when it is executed.
 */
export const fieldsOf = (typeName: string, nodes: readonly FieldNode[], fragments: Fragments): Fields | null => {
  const fields = new Map<string, FieldNode[]>()
  const spread = new Set<string>()

  const addFragment = (name: string): boolean => {
    if (spread.has(name)) return true
    spread.add(name)
    const fragment = fragments.get(name)
    return fragment !== undefined && !hasDirectives(fragment) && addOf(fragment)
  }
  const addOf = ({
    typeCondition,
    selectionSet,
  }: Pick<FragmentDefinitionNode, 'selectionSet'> & Conditional): boolean =>
    (typeCondition?.name.value ?? typeName) === typeName && addAll(selectionSet)
  const addField = (node: FieldNode): boolean => {
    const key = keyOf(node)
    const same = fields.get(key)
    if (same) same.push(node)
    else fields.set(key, [node])
    return true
  }
  const addAll = ({ selections }: SelectionSetNode): boolean =>
    selections.every((one) => {
      if (hasDirectives(one)) return false
      if (one.kind === Kind.FIELD) return addField(one)
      return one.kind === Kind.INLINE_FRAGMENT ? addOf(one) : addFragment(one.name.value)
    })

  return nodes.every(({ selectionSet }) => selectionSet !== undefined && addAll(selectionSet)) ? fields : null
}

interface Conditional {
  typeCondition?: { name: { value: string } }
}
