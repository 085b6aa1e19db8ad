import { expect, test } from 'vitest'
import { dockerfileNeeds } from './dockerfile-needs.ts'

const lacks = (text: string): string[] => dockerfileNeeds(text).lacks.map(({ line, feature }) => `${line} ${feature}`)

test('an ordinary Dockerfile of several stages lacks nothing', () => {
  const text = `# syntax=docker/dockerfile:1
ARG VERSION=24
FROM --platform=linux/amd64 node:\${VERSION}-slim AS build
WORKDIR /app
COPY --chown=node:node package*.json ./
RUN npm ci --mount-ish && echo "--mount=type=cache" <data
FROM node:24-slim
COPY --from=build /app /app
HEALTHCHECK --interval=5s --timeout=1s CMD wget -q localhost
CMD ["node", "server.js"]
`
  expect(lacks(text)).toEqual([])
})

test.each([
  ['FROM a\nRUN --mount=type=secret,id=x cat /run/secrets/x', '2 RUN --mount'],
  ['FROM a\nRUN --network=none true', '2 RUN --network'],
  ['FROM a\nCOPY --link . .', '2 COPY --link'],
  ['FROM a\nCOPY --chmod=755 a b', '2 COPY --chmod'],
  ['FROM a\nADD --checksum=sha256:x https://example.com/x /x', '2 ADD --checksum'],
  ['FROM a\nADD https://github.com/a/b.git#main /b', '2 ADD of a Git repository'],
  ['FROM --platform=$BUILDPLATFORM a', '1 FROM --platform=$BUILDPLATFORM'],
  ['FROM a\nRUN <<EOF\necho x\nEOF', '2 RUN <<EOF (a here-document)'],
  ['FROM a\nCOPY <<EOF /x\ny\nEOF', '2 COPY <<EOF (a here-document)'],
  ['# syntax=example.com/language:1\nFROM a', '1 # syntax=example.com/language:1'],
  ['FROM a\nONBUILD RUN --mount=type=cache,target=/x true', '2 RUN --mount'],
])('%j needs buildx', (text, expected) => {
  expect(lacks(text)).toContain(expected)
})

test('platform arguments are found where they are declared', () => {
  expect(dockerfileNeeds('ARG BUILDOS\nFROM a\nARG TARGETARCH\nARG OTHER=1\nRUN echo $TARGETARCH').platformArguments.toSorted()).toEqual(['BUILDOS', 'TARGETARCH'])
})
