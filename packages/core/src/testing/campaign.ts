/**
 * `npm test` tries a part of the cases that would take hours, the same ones each time; `npm run campaign` tries them all
 * (PILOT_CAMPAIGN=full).
 */
export const isFullCampaign = process.env['PILOT_CAMPAIGN'] === 'full'

/** All of them in a full campaign, else at most so many, spread evenly, with the first and the last. */
export function casesOf<Case>(all: readonly Case[], most: number): readonly Case[] {
  if (isFullCampaign || all.length <= most) return all
  if (most <= 1) return all.slice(0, most)
  return Array.from({ length: most }, (_, index) => all[Math.round((index * (all.length - 1)) / (most - 1))]!)
}

/** A number that a full campaign takes larger: rounds, seconds, clients. */
export const inCampaign = ({ full, short }: { readonly full: number; readonly short: number }): number => (isFullCampaign ? full : short)
