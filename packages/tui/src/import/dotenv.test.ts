import { describe, expect, it } from 'vitest'
import { isPilotError } from '@pilot/core/errors'
import { readDotenv } from './dotenv.ts'

const values = (text: string) => Object.fromEntries(readDotenv({ text, file: '.env' }).entries.map(({ name, value }) => [name, value]))
const problems = (text: string) => {
  try {
    readDotenv({ text, file: '.env' })
  } catch (error) {
    if (isPilotError(error)) return error.message
  }
  return expect.fail('it was read')
}

describe('a dotenv file', () => {
  it.each([
    ['plain values', 'A=1\nB = two words \n\n# comment\nC=a=b', { A: '1', B: 'two words', C: 'a=b' }],
    ['nothing, also before another line', 'A=\nB= \nC=3', { A: '', B: '', C: '3' }],
    ['export, a mark at the beginning and lines of Windows', '\uFEFFexport A=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['quotes and comments behind them', `A="one two" # c\nB='#1'\nC=\`it's "x"\`\nD=x # y#z`, { A: 'one two', B: '#1', C: `it's "x"`, D: 'x' }],
    ['several lines in quotes', 'KEY="-----BEGIN\nabc\n-----END"\nB=2', { KEY: '-----BEGIN\nabc\n-----END', B: '2' }],
    ['\\n in double quotes only', `A="x\\ny"\nB='x\\ny'`, { A: 'x\ny', B: 'x\\ny' }],
    ['the same line twice', 'A=1\nA=1', { A: '1' }],
    ['names that objects have already', 'constructor=1\n__proto__x=2', { constructor: '1', __proto__x: '2' }],
  ])('is read with %s', (_, text, expected) => {
    expect(values(text)).toEqual(expected)
  })

  it('is refused whole, with every bad line by its number and never with its text', () => {
    const message = problems('A=1\nhunter2\nB-C=hunter2\nD="hunter2\nE=ok#hunter2\nA=hunter2\n=hunter2\nF="x" hunter2"')
    expect(message.split('\n')).toEqual([
      '.env:2: not of the form KEY=VALUE',
      '.env:3: "B-C" cannot be the name of a variable',
      '.env:4: D goes on after the closing ": use other quotes around a value that holds them',
      '.env:5: E has a # in its value: put the value in quotes, or a space before the comment',
      '.env:6: A stands on line 1 already, with another value',
      '.env:7: "" cannot be the name of a variable',
      '.env:8: F goes on after the closing ": use other quotes around a value that holds them',
    ])
    expect(message).not.toContain('hunter2')
    expect(problems("A=1\nB='open\nC=2")).toContain(".env:2: B begins with ' and has no ' at its end")
  })

  it('says what it does not expand', () => {
    expect(readDotenv({ text: 'A=http://${HOST}/\nB=\'${HOST}\'\nC=$5', file: '.env' }).notes).toEqual(['.env:1: A refers to another variable; the text is taken as it is.'])
  })
})
