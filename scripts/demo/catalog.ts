/** Where the visitors come from: address blocks of access providers, 16 bits each. */
export const COUNTRIES = [
  { code: 'DE', weight: 24, block: '84.160', locale: 'de-DE' },
  { code: 'US', weight: 18, block: '73.0', locale: 'en-US' },
  { code: 'GB', weight: 11, block: '86.128', locale: 'en-GB' },
  { code: 'FR', weight: 9, block: '90.0', locale: 'fr-FR' },
  { code: 'NL', weight: 6, block: '84.24', locale: 'nl-NL' },
  { code: 'ES', weight: 5, block: '83.32', locale: 'es-ES' },
  { code: 'IT', weight: 5, block: '79.0', locale: 'it-IT' },
  { code: 'PL', weight: 4, block: '83.0', locale: 'pl-PL' },
  { code: 'SE', weight: 3, block: '78.64', locale: 'sv-SE' },
  { code: 'JP', weight: 4, block: '126.0', locale: 'ja-JP' },
  { code: 'IN', weight: 3, block: '117.192', locale: 'en-IN' },
  { code: 'BR', weight: 3, block: '189.0', locale: 'pt-BR' },
  { code: 'CA', weight: 2, block: '99.224', locale: 'en-CA' },
  { code: 'AU', weight: 2, block: '1.128', locale: 'en-AU' },
  { code: 'NG', weight: 1, block: '197.210', locale: 'en-NG' },
] as const

export const USER_AGENTS = [
  {
    weight: 30,
    text: 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36',
  },
  {
    weight: 24,
    text: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  },
  {
    weight: 20,
    text: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  },
  {
    weight: 10,
    text: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  },
  { weight: 8, text: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' },
  {
    weight: 8,
    text: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0',
  },
] as const

export const REFERRERS = [
  { weight: 45, text: undefined },
  { weight: 35, text: 'https://www.google.com/' },
  { weight: 12, text: 'https://www.instagram.com/' },
  { weight: 8, text: 'https://news.example.com/gear-of-the-year' },
] as const

export interface Product {
  path: string
  title: string
  category: string
  /** In EUR. */
  price: number
}

const ASSORTMENT: Record<string, [name: string, price: number][]> = {
  tents: [
    ['Ridgeline 2', 349],
    ['Lakeside 4', 529],
    ['Solo Dome', 219],
    ['Bothy Shelter', 89.5],
  ],
  packs: [
    ['Traverse 38', 159.9],
    ['Summit 24', 99.9],
    ['Daytrip 16', 54.9],
    ['Hauler 65', 239],
  ],
  boots: [
    ['Granite Mid', 189],
    ['Fern Low', 129.9],
    ['Glacier Pro', 279],
    ['Moor Wellington', 74.5],
  ],
  stoves: [
    ['Pocket Flame', 42],
    ['Wind Burner', 149],
    ['Wood Can', 59.9],
  ],
  sleeping: [
    ['Down 400', 259],
    ['Summer Sheet', 39.9],
    ['Cloud Mat', 119],
    ['Foam Roll', 24.5],
  ],
  lamps: [
    ['Headlight 300', 34.9],
    ['Camp Glow', 27.5],
    ['Beacon Mini', 14.9],
  ],
}

export const PRODUCTS: readonly Product[] = Object.entries(ASSORTMENT).flatMap(([category, items]) =>
  items.map(([title, price]) => ({
    path: `/p/${title.toLowerCase().replaceAll(' ', '-')}`,
    title,
    category: `/c/${category}`,
    price,
  })),
)

export const CATEGORIES: readonly string[] = Object.keys(ASSORTMENT).map((category) => `/c/${category}`)
