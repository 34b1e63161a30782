import { expect, test } from 'vitest'
import { parseAddresses } from './addresses.ts'

test('a list of addresses is read', () => {
  expect(parseAddresses('1=a.example:9092, 2=[::1]:9093,30=10.0.0.1:1')).toEqual([
    { id: 1, host: 'a.example', port: 9092 },
    { id: 2, host: '::1', port: 9093 },
    { id: 30, host: '10.0.0.1', port: 1 },
  ])
})

test.each([
  ['a:9092', 'expected id=host:port, got "a:9092"'],
  ['1=a', 'expected id=host:port, got "1=a"'],
  ['1=a:70000', 'expected id=host:port, got "1=a:70000"'],
  ['1=a:1,1=b:2', 'expected each id once'],
])('%s is refused', (text, message) => {
  expect(() => parseAddresses(text)).toThrow(message)
})
