import { expect, test } from 'vitest'
import { casesOf, isFullCampaign } from './campaign.ts'

test('a part of the cases: spread over all of them, the first and the last among them', () => {
  const all = Array.from({ length: 100 }, (_, index) => index)
  expect(casesOf(all, 5)).toEqual(isFullCampaign ? all : [0, 25, 50, 74, 99])
  expect(casesOf(all.slice(0, 3), 5)).toEqual([0, 1, 2])
})
