'use strict'

const path = require('node:path')
const { root } = require('./paths.cjs')

/**
 * The environment for `pilot`: without what npm adds for its scripts, since builds and apps inherit it, and an `npm ci` of an
 * app must not run with the prefix or log level of this `npm start`. INIT_CWD stays: relative paths resolve against it.
 */
function environmentForPilot(env) {
  const clean = {}
  for (const [name, value] of Object.entries(env)) if (!isFromNpm(name, env)) clean[name] = value
  if (env.npm_lifecycle_event === undefined) return clean

  clean.PATH = withoutBinFolders(env.PATH ?? '')
  clean.PILOT_INVOKED_AS ??= env.npm_lifecycle_event === 'start' ? invocation(env.INIT_CWD) : undefined
  if (clean.PILOT_INVOKED_AS === undefined) delete clean.PILOT_INVOKED_AS
  return clean
}

/** npm exports its whole configuration, with what this workspace sets for itself. How to reach a registry stays. */
const kept = ['registry', 'cache', 'ca', 'cafile', 'cert', 'key', 'proxy', 'https_proxy', 'noproxy', 'strict_ssl', 'offline', 'prefer_offline', 'userconfig', 'globalconfig']

function isFromNpm(name, env) {
  if (/^npm_(package_|lifecycle_|command$|execpath$|node_execpath$)/.test(name)) return true
  if (name === 'NODE') return env.NODE === env.npm_node_execpath
  return name.startsWith('npm_config_') && !kept.includes(name.slice('npm_config_'.length))
}

/** npm puts the folders of commands of this workspace (and of every parent) first. */
function withoutBinFolders(searchPath) {
  const folders = searchPath.split(path.delimiter)
  const first = folders.findIndex((folder) => !/[\\/]node_modules[\\/]\.bin$|[\\/]node-gyp-bin$/.test(folder))
  return folders.slice(first).join(path.delimiter)
}

/** The form in which the user can type the next command, from where they are. */
function invocation(cwd) {
  if (cwd === undefined || path.resolve(cwd) === root) return 'npm start --'
  return `npm --prefix ${/^[\w./@-]+$/.test(root) ? root : `'${root.replaceAll("'", `'\\''`)}'`} start --`
}

module.exports = { environmentForPilot }
