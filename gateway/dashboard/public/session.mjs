const KEY = 'millrace-read-token'
const THEME = 'millrace-theme'

/** The token of this tab: from the address (#token=…, which is then taken out of it), else from before. */
export const readToken = () => {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    sessionStorage.setItem(KEY, given)
    history.replaceState(null, '', location.pathname + location.search)
  }
  return sessionStorage.getItem(KEY)
}
export const keepToken = (token) => sessionStorage.setItem(KEY, token)
export const forgetToken = () => sessionStorage.removeItem(KEY)

const system = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')

/** Follows the system until somebody chooses. */
export const setUpTheme = (button) => {
  const chosen = localStorage.getItem(THEME)
  if (chosen) document.documentElement.dataset.theme = chosen
  button.addEventListener('click', () => {
    const theme = (document.documentElement.dataset.theme ?? system()) === 'dark' ? 'light' : 'dark'
    document.documentElement.dataset.theme = theme
    localStorage.setItem(THEME, theme)
  })
}
