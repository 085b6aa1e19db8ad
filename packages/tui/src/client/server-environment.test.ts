import { expect, test } from 'vitest'
import { serverEnvironment } from './server-environment.ts'

test('the server is given what finds programs, Docker, registries and certificates', () => {
  const env = { PATH: '/bin', LC_CTYPE: 'C', DOCKER_HOST: 'unix:///x', HTTPS_PROXY: 'http://u:p@proxy', all_proxy: 'socks://x', npm_config_registry: 'http://r', NPM_CONFIG_CAFILE: '/ca', PIP_CERT: '/ca', PIP_INDEX_URL: 'http://i', UV_INDEX_URL: 'http://i', REQUESTS_CA_BUNDLE: '/ca', GOPRIVATE: 'x', GOFLAGS: '-mod=mod', PILOT_RUNNER: 'separate' }
  expect(serverEnvironment(env)).toEqual(env)
})

test('the rest of the shell is none of its business', () => {
  expect(serverEnvironment({ AWS_SECRET_ACCESS_KEY: 'x', npm_config__authToken: 'x', 'npm_config_//registry.npmjs.org/:_authToken': 'x', npm_config_otp: 'x', GITHUB_TOKEN: 'x', MY_PATH: 'x', PATHS: 'x', PIP: 'x', PILOT_HOME: 'x', EMPTY: undefined })).toEqual({})
})
