'use strict'

const fs = require('node:fs')
const path = require('node:path')

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** Whole or not at all: a reader never sees half of it. */
function writeJson(file, value) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}`
  fs.writeFileSync(draft, JSON.stringify(value))
  fs.renameSync(draft, file)
}

module.exports = { readJson, writeJson }
