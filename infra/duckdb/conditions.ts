import type { DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '#schema/errors.ts'
import { isField } from '#schema/event.ts'
import type { Condition, ConditionOp } from '#schema/metric.ts'

/** SQL of a where clause; every value and path is a bound parameter. */
interface Clause {
  sql: string
  values: DuckDBValue[]
}

const COLUMNS: Record<string, string> = {
  name: 'name',
  country: 'country',
  browser: 'browser',
  os: 'os',
  device: 'device',
  userId: 'user_id',
  anonymousId: 'anonymous_id',
  sessionId: 'session_id',
  user: 'coalesce(user_id, anonymous_id, session_id)',
}

/** How a field is read: its JSON type and its value as text. A plain field is text or absent. */
interface FieldSql {
  type: string
  text: string
}

const NUMBERS = `('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')`
const COMPARISON: Partial<Record<ConditionOp, string>> = { LT: '<', LE: '<=', GT: '>', GE: '>=' }

const pointer = (path: readonly string[]): string =>
  path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

/**
 * Compiles conditions with the meaning they have for metrics: values of different types are never equal and never
 * ordered; NE holds where the field is absent; EXISTS does not hold for null.
 */
export const compileConditions = (conditions: readonly Condition[], firstParameter: number): Clause => {
  const values: DuckDBValue[] = []
  const bind = (value: DuckDBValue): string => {
    values.push(value)
    return `$${firstParameter + values.length - 1}`
  }

  const fieldSql = (field: string): FieldSql => {
    if (!isField(field)) {
      const expected = `one of ${Object.keys(COLUMNS).join(', ')}, properties.<path>, context.<path>`
      throw new MillraceError('BAD_INPUT', `unknown field ${JSON.stringify(field)}: expected ${expected}`)
    }
    const column = COLUMNS[field]
    if (column) return { type: `CASE WHEN ${column} IS NOT NULL THEN 'VARCHAR' END`, text: column }
    const [root, ...path] = field.split('.')
    const at = bind(pointer(path))
    return { type: `json_type(${root}, ${at})`, text: `json_extract_string(${root}, ${at})` }
  }

  /** Holds for no row. Names the field all the same: a parameter that is bound must be used. */
  const never = ({ type }: FieldSql): string => `(false AND ${type} IS NULL)`

  /** Compares with a wanted value of the same type; null where the types differ. */
  const compared = ({ type, text }: FieldSql, operator: string, wanted: unknown): string => {
    switch (typeof wanted) {
      case 'string':
        return `(${type} = 'VARCHAR' AND ${text} ${operator} ${bind(wanted)}::VARCHAR)`
      case 'number':
        return `(${type} IN ${NUMBERS} AND TRY_CAST(${text} AS DOUBLE) ${operator} ${bind(String(wanted))}::DOUBLE)`
      default:
        return never({ type, text })
    }
  }

  const equal = (field: FieldSql, wanted: unknown): string => {
    if (wanted === null) return `(${field.type} = 'NULL')`
    if (typeof wanted === 'boolean') return `(${field.type} = 'BOOLEAN' AND ${field.text} = '${wanted}')`
    return compared(field, '=', wanted)
  }

  const contains = (field: FieldSql, wanted: unknown): string => {
    const member = equal({ type: 'json_type(x)', text: `json_extract_string(x, '$')` }, wanted)
    const items = `CASE WHEN ${field.type} = 'ARRAY' THEN ${field.text}::JSON[] END`
    const inList = `(len(list_filter(${items}, lambda x: coalesce(${member}, false))) > 0)`
    if (typeof wanted !== 'string') return inList
    return `((${field.type} = 'VARCHAR' AND contains(${field.text}, ${bind(wanted)}::VARCHAR)) OR coalesce(${inList}, false))`
  }

  const condition = ({ field: name, op, value }: Condition): string => {
    const field = fieldSql(name)
    switch (op) {
      case 'EQ':
        return `coalesce(${equal(field, value)}, false)`
      case 'NE':
        return `NOT coalesce(${equal(field, value)}, false)`
      case 'IN': {
        const wanted = Array.isArray(value) ? value : []
        return `coalesce(${wanted.map((one) => equal(field, one)).join(' OR ') || never(field)}, false)`
      }
      case 'CONTAINS':
        return `coalesce(${contains(field, value)}, false)`
      case 'EXISTS':
        return `${value === false ? 'NOT ' : ''}coalesce(${field.type} <> 'NULL', false)`
      default:
        return `coalesce(${compared(field, COMPARISON[op] ?? '=', value)}, false)`
    }
  }

  return { sql: conditions.map((one) => ` AND ${condition(one)}`).join(''), values }
}
