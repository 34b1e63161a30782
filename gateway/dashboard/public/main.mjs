import { createBoard } from './board.mjs'
import { age, clock } from './format.mjs'
import { forgetToken, keepToken, readToken, setUpTheme } from './session.mjs'
import { createSocket } from './socket.mjs'

const find = (id) => document.getElementById(id)
const STATES = { live: 'Live', connecting: 'Connecting…', refused: 'Signed out', offline: 'Offline' }

const showState = (state) => {
  find('state').dataset.state = state
  find('state').textContent = STATES[state]
}

const showGate = (problem = '') => {
  find('gate').hidden = false
  find('board').hidden = true
  find('sign-out').hidden = true
  find('problem').textContent = problem
  find('token').focus()
}

const showTenant = async (token) => {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ tenant { name } }' }),
  })
  const { data } = await response.json()
  find('tenant').textContent = data?.tenant.name ?? ''
}

const open = (token) => {
  find('gate').hidden = true
  find('board').hidden = false
  find('sign-out').hidden = false
  const url = new URL('/graphql', location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  const onState = (state, why) => {
    showState(state)
    if (state !== 'refused') return
    forgetToken()
    showGate(why)
  }
  const socket = createSocket({ url: url.href, token, onState })
  let asOf
  const showAsOf = () => {
    if (asOf) find('as-of').textContent = `Data as of ${clock(asOf)}, ${age(Date.now() - asOf)} ago`
  }
  const onAsOf = (ms) => {
    asOf = Math.max(ms, asOf ?? 0)
    showAsOf()
  }
  setInterval(showAsOf, 1_000)
  createBoard({ socket, onAsOf })
  showTenant(token).catch(() => {})
}

setUpTheme(find('theme'))
find('sign-in').addEventListener('submit', (event) => {
  event.preventDefault()
  keepToken(find('token').value.trim())
  location.reload()
})
find('sign-out').addEventListener('click', () => {
  forgetToken()
  location.reload()
})
// A link with a token, opened in a tab that has the page already, changes only the fragment.
addEventListener('hashchange', () => location.reload())
const token = readToken()
if (token) open(token)
else showGate()
