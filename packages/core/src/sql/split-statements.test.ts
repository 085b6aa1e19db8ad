import { expect, test } from 'vitest'
import { splitStatements, withoutLeadingComments } from './split-statements.ts'

test('a semicolon ends a statement, and what follows the last one is the rest', () => {
  expect(splitStatements('select 1; select 2 ;\nselect')).toEqual({ statements: ['select 1;', 'select 2 ;'], rest: '\nselect' })
})

test.each([
  ['a string', "select 'a;''b;'"],
  ['a string with escapes', String.raw`select E'a\';b', e'\\'`],
  ['a string that ends in a backslash', String.raw`select 'a\'`],
  ['a quoted name', 'select 1 as "a;""b"'],
  ['a comment', 'select 1 -- a;b\n'],
  ['a nested comment', 'select /* a; /* b; */ c; */ 1'],
  ['a dollar string', 'do $$ begin perform 1; end $$'],
  ['a dollar string with a tag', 'do $body$ begin perform $$;$$; end $body$'],
  ['parentheses', 'create rule r as on insert to t do (select 1; select 2)'],
  ['an atomic body', 'create or replace function f() returns int language sql begin atomic; select case when true then 1 else 2 end; select 2; end'],
])('a semicolon in %s ends nothing', (_, statement) => {
  expect(splitStatements(`${statement};select 2;`).statements).toEqual([`${statement};`, 'select 2;'])
})

test('words of an atomic body mean nothing elsewhere, and a parameter is no dollar string', () => {
  expect(splitStatements('begin; select case when a$1 then 1 end; prepare p as select $1; end;').statements).toHaveLength(4)
})

test('an open string has no end', () => {
  expect(splitStatements("select 'a; select 2;")).toEqual({ statements: [], rest: "select 'a; select 2;" })
})

test('comments before a statement are left out', () => {
  expect(withoutLeadingComments('--\n-- Name: x\n--\n\n/* y */ CREATE TABLE x ();')).toBe('CREATE TABLE x ();')
})
