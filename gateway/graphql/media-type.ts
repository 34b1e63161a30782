const JSON_TYPE = 'application/json'
/** In the order in which yoga tries them: the last that fits is taken. */
const OFFERED = ['application/graphql-response+json', JSON_TYPE] as const

export type MediaType = (typeof OFFERED)[number]

const fits = (asked: string, offered: string): boolean => {
  const [type, subtype] = asked.split('/')
  const [offeredType, offeredSubtype] = offered.split('/')
  return (type === '*' || type === offeredType) && (subtype === '*' || subtype === offeredSubtype)
}

/**
 * The media type in which yoga answers a result for this Accept header. Null where it may be a stream, or none fits: that
 * is left to yoga.
 */
export const mediaTypeFor = (accept: string | undefined): MediaType | null => {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === JSON_TYPE) return JSON_TYPE
  const asked = accept.replace(/\s/g, '').toLowerCase()
  if (asked.includes('event-stream') || asked.includes('multipart') || asked.includes('charset')) return null
  let chosen: MediaType | null = null
  for (const type of asked.split(',').reverse()) {
    for (const offered of OFFERED) if (fits(type.split(';', 1)[0], offered)) chosen = offered
  }
  return chosen
}

/** Whether yoga reads a body of this Content-Type as JSON. */
export const isJsonBody = (contentType: string | undefined): boolean => {
  const type = contentType?.split(',', 1)[0]
  return type === JSON_TYPE || type?.startsWith(`${JSON_TYPE};`) === true
}
