/**
 * Requests as no well-behaved client sends them, and what must become of each: `refused` (one answer of 4xx or 5xx, the connection closed,
 * nothing of it reaches the app), or what the app gets, as `METHOD target body` in this order, each exactly once. The rows follow
 * RFC 9112 (sections 2, 3, 5, 6, 7, 9) and what is known of request smuggling; `/smuggled` must never arrive.
 */
export interface CorpusRow {
  readonly name: string
  /** Latin-1. */
  readonly bytes: string
  readonly becomes: 'refused' | 'answered' | readonly string[]
}

export const corpusHost = 'app.corpus.localhost'

const H = `Host: ${corpusHost}\r\n`
const C = 'Connection: close\r\n'
const smuggled = `GET /smuggled HTTP/1.1\r\n${H}\r\n`
const row = (name: string, bytes: string, becomes: CorpusRow['becomes'] = 'refused'): CorpusRow => ({ name, bytes, becomes })
/** A POST with these header lines and this body, and a request behind it that a lenient reader would take out of it. */
const post = (lines: string, body = ''): string => `POST /p HTTP/1.1\r\n${H}${lines}\r\n${body}`
const chunked = (body: string, te = 'Transfer-Encoding: chunked\r\n'): string => post(`${te}${C}`, body)
const get = (target: string, lines = H): string => `GET ${target} HTTP/1.1\r\n${lines}${C}\r\n`

const both: readonly CorpusRow[] = [
  row('Content-Length, then Transfer-Encoding', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('Transfer-Encoding, then Content-Length', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', `0\r\n\r\n${smuggled}`)),
  row('Content-Length that covers the chunks, and Transfer-Encoding', post(`Content-Length: ${5 + smuggled.length}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${smuggled}`)),
  row('Content-Length: 0 and Transfer-Encoding', post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('both, on a GET', `GET /p HTTP/1.1\r\n${H}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`),
  row('both, in HTTP/1.0', `POST /p HTTP/1.0\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  row('Transfer-Encoding in HTTP/1.0', `POST /p HTTP/1.0\r\n${H}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`),
  row('both, the length named by Connection', post('Connection: content-length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)),
]

const lengths: readonly CorpusRow[] = [
  row('two lengths that differ', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!')),
  row('two lengths that agree', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello')),
  row('a list of lengths', post('Content-Length: 5, 5\r\n', 'hello')),
  row('a list of lengths that differ', post('Content-Length: 5, 0\r\n', `hello${smuggled}`)),
  ...['+5', '-5', '0x5', '5a', '5.0', '5 5', '1e1', '"5"', '', ',5', '5,', '99999999999999999999999', '18446744073709551621', '٥'].map((value) => row(`Content-Length: ${JSON.stringify(value)}`, Buffer.from(post(`Content-Length: ${value}\r\n`, `hello${smuggled}`)).toString('latin1'))),
  row('Content-Length with a vertical tab', post('Content-Length: \x0b5\r\n', 'hello')),
  row('Content-Length: 005', post(`Content-Length: 005\r\n${C}`, 'hello'), ['POST /p hello']),
  row('Content-Length after a tab', post(`Content-Length:\t5\r\n${C}`, 'hello'), ['POST /p hello']),
  row('Content-Length named by Connection', post('Connection: content-length, close\r\nContent-Length: 5\r\n', 'hello'), ['POST /p hello']),
  row('Content_Length is another header', post('Content_Length: 5\r\n', `GET /next HTTP/1.1\r\n${H}${C}\r\n`), ['POST /p', 'GET /next']),
  row('a body on GET', `GET /p HTTP/1.1\r\n${H}Content-Length: ${smuggled.length}\r\n${C}\r\n${smuggled}`, [`GET /p ${smuggled}`]),
  row('a body on HEAD', `HEAD /p HTTP/1.1\r\n${H}Content-Length: 2\r\n${C}\r\nhi`, ['HEAD /p hi']),
  row('a body on DELETE', `DELETE /p HTTP/1.1\r\n${H}Content-Length: 2\r\n${C}\r\nhi`, ['DELETE /p hi']),
]

const codings: readonly CorpusRow[] = [
  ...['xchunked', 'chunkedx', 'chunked, identity', 'identity', 'gzip', 'gzip, chunked', 'chunked, chunked', 'chunked, gzip', '"chunked"', 'chunked;q=1', 'chunked\x00', '\x0bchunked', 'chunked\x0b', '', ',', 'chunk ed', 'cow, chunked', 'chunked, ', ', chunked', '\xa0chunked'].map((value) =>
    row(`Transfer-Encoding: ${JSON.stringify(value)}`, post(`Transfer-Encoding: ${value}\r\n`, `0\r\n\r\n${smuggled}`)),
  ),
  row('Transfer-Encoding twice, chunked last', post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('Transfer-Encoding twice, chunked first', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${smuggled}`)),
  row('Transfer-Encoding twice, both chunked', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('space before the colon', post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('tab before the colon', post('Transfer-Encoding\t: chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('folded before its value', post('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${smuggled}`)),
  row('folded after its value', post('Transfer-Encoding: chunked\r\n , identity\r\n', `0\r\n\r\n${smuggled}`)),
  row('hidden in a folded header', post('X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'hello')),
  row('a name with a space in front', post(' Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'hello')),
  row('behind a bare CR', post('X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'hello')),
  row('behind a bare LF', post('X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'hello')),
  row('behind a NUL', post('X: y\x00Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'hello')),
  row('CHUNKED in capitals', chunked('5\r\nhello\r\n0\r\n\r\n', 'TRANSFER-ENCODING: CHUNKED\r\n'), ['POST /p hello']),
  row('chunked with white space around', chunked('5\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding:   chunked  \r\n'), ['POST /p hello']),
  row('chunked with tabs around', chunked('5\r\nhello\r\n0\r\n\r\n', 'Transfer-Encoding: \tchunked\t\r\n')),
  row('named by Connection', chunked('5\r\nhello\r\n0\r\n\r\n', 'Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n'), ['POST /p hello']),
]

const chunks: readonly CorpusRow[] = [
  ...['+5', '-5', '0x5', ' 5', '5 ', '5\t', '5 5', '', ';a=b', '5,', 'g', 'fffffffffffffffff', '00000000000000000000000000000005x', '5_0', '5\x00', '５'].map((size) =>
    row(`chunk size ${JSON.stringify(size)}`, Buffer.from(chunked(`${size}\r\nhello\r\n0\r\n\r\n`)).toString('latin1')),
  ),
  row('a chunk size that ends with LF', chunked('5\nhello\r\n0\r\n\r\n')),
  row('a chunk size that ends with CR', chunked('5\rhello\r\n0\r\n\r\n')),
  row('a chunk size that ends with CR CR LF', chunked('5\r\r\nhello\r\n0\r\n\r\n')),
  row('a chunk that ends with LF', chunked('5\r\nhello\n0\r\n\r\n')),
  row('a chunk that is longer than it says', chunked('5\r\nhelloworld\r\n0\r\n\r\n')),
  row('a chunk that ends with two other bytes', chunked('5\r\nhelloXX0\r\n\r\n')),
  row('a chunk extension that hides a line', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n')),
  row('a chunk extension with a bare CR', chunked('5;a\rb\r\nhello\r\n0\r\n\r\n')),
  row('a chunk extension with a NUL', chunked('5;a\x00\r\nhello\r\n0\r\n\r\n')),
  row('a chunk extension of 40 KB', chunked(`5;${'a'.repeat(40_000)}\r\nhello\r\n0\r\n\r\n`)),
  row('the end of the chunks with LF', chunked('5\r\nhello\r\n0\n\n')),
  row('a trailer with a space before its colon', chunked('5\r\nhello\r\n0\r\nX : y\r\n\r\n')),
  row('a folded trailer', chunked('5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n')),
  row('trailers of 40 KB', chunked(`5\r\nhello\r\n0\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`)),
  row('a chunk size in capitals', chunked('A\r\nhellohello\r\n0\r\n\r\n'), ['POST /p hellohello']),
  row('a chunk size with zeros in front', chunked('0005\r\nhello\r\n000\r\n\r\n'), ['POST /p hello']),
  row('chunk extensions', chunked('5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), ['POST /p hello']),
  row('a trailer that looks like framing', chunked('5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n')),
  row('a trailer that looks like an address', chunked('5\r\nhello\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\nHost: other\r\n\r\n'), ['POST /p hello']),
  row('pipelined behind chunks', `${post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n')}${get('/second')}`, ['POST /p hello', 'GET /second']),
]

const lines: readonly CorpusRow[] = [
  row('HTTP/0.9', 'GET /p\r\n\r\n'),
  row('HTTP/0.9 in words', `GET /p HTTP/0.9\r\n${H}\r\n`),
  row('HTTP/2.0', `GET /p HTTP/2.0\r\n${H}\r\n`),
  row('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  row('HTTP/1.2', `GET /p HTTP/1.2\r\n${H}\r\n`),
  row('HTTP/1.10', `GET /p HTTP/1.10\r\n${H}\r\n`),
  row('HTTP/01.1', `GET /p HTTP/01.1\r\n${H}\r\n`),
  row('http/1.1 in small letters', `GET /p http/1.1\r\n${H}\r\n`),
  row('another protocol', `GET /p ICE/1.0\r\n${H}\r\n`),
  row('no version', `GET /p \r\n${H}\r\n`),
  row('two spaces before the target', `GET  /p HTTP/1.1\r\n${H}${C}\r\n`, ['GET /p']),
  row('two spaces before the version', `GET /p  HTTP/1.1\r\n${H}${C}\r\n`, ['GET /p']),
  row('a tab before the target', `GET\t/p HTTP/1.1\r\n${H}\r\n`),
  row('a tab before the version', `GET /p\tHTTP/1.1\r\n${H}\r\n`),
  row('a space after the version', `GET /p HTTP/1.1 \r\n${H}\r\n`),
  row('a space before the method', ` GET /p HTTP/1.1\r\n${H}\r\n`),
  row('lines that end with LF', `GET /p HTTP/1.1\n${H.replace('\r', '')}\n`),
  row('a first line that ends with CR', `GET /p HTTP/1.1\r${H}\r\n`),
  row('a head that ends with LF', `GET /p HTTP/1.1\r\n${H}\n`),
  row('a method in small letters', `get /p HTTP/1.1\r\n${H}\r\n`),
  row('a method that nobody knows', `FROB /p HTTP/1.1\r\n${H}\r\n`),
  row('a method of 40 KB', `${'G'.repeat(40_000)} /p HTTP/1.1\r\n${H}\r\n`),
  row('a method with a colon', `GET: /p HTTP/1.1\r\n${H}\r\n`),
  row('a method with a NUL', `G\x00T /p HTTP/1.1\r\n${H}\r\n`),
  row('TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  row('CONNECT', `CONNECT ${corpusHost}:443 HTTP/1.1\r\n${H}\r\n`),
  row('CONNECT of a path', `CONNECT /p HTTP/1.1\r\n${H}\r\n${smuggled}`),
  row('TRACE', `TRACE /p HTTP/1.1\r\n${H}Cookie: secret\r\n\r\n`),
  row('OPTIONS * is for the server', `OPTIONS * HTTP/1.1\r\n${H}${C}\r\n`, 'answered'),
  row('OPTIONS of a path is for the app', `OPTIONS /p HTTP/1.1\r\n${H}${C}\r\n`, ['OPTIONS /p']),
  row('empty lines in front', `\r\n\r\n${get('/p')}`, ['GET /p']),
  row('HTTP/1.0', `GET /p HTTP/1.0\r\n${H}\r\n`, ['GET /p']),
  row('HTTP/1.0 that stays', `GET /p HTTP/1.0\r\n${H}Connection: keep-alive\r\n\r\nGET /q HTTP/1.0\r\n${H}\r\n`, ['GET /p', 'GET /q']),
  row('HTTP/1.0 that does not stay', `GET /p HTTP/1.0\r\n${H}\r\n${smuggled}`, ['GET /p']),
  row('pipelined', `GET /p HTTP/1.1\r\n${H}\r\n${get('/q')}`, ['GET /p', 'GET /q']),
  row('behind Connection: close', `${get('/p')}${smuggled}`, ['GET /p']),
  row('behind what is refused', `GET /p HTTP/1.1\r\n${H}${H}\r\n${smuggled}`),
]

const targets: readonly CorpusRow[] = [
  ...['p', '*', '?p', '', `${corpusHost}:80`, `//${corpusHost}\x00/p`, '/p\x00', '/p\x01', '/p\x7f', '/p\x0b', '/p#fragment', `http:///p`, `http://user@${corpusHost}/p`, `http://user:pw@${corpusHost}/p`, `http://${corpusHost}:99999/p`, `http://${corpusHost}:x/p`, `https:/${corpusHost}/p`, `ftp://${corpusHost}/p`, 'javascript:alert(1)', 'http://[::1/p', `http://${corpusHost}\\@evil/p`, `http:\\\\${corpusHost}/p`, `http://${corpusHost}/p#f`].map((target) => row(`the target ${JSON.stringify(target)}`, get(target))),
  row('a target of 40 KB', get(`/${'p'.repeat(40_000)}`)),
  row('a target of 20 KB', get(`/${'p'.repeat(20_000)}`)),
  row('the absolute form', get(`http://${corpusHost}/p?q`), ['GET /p?q']),
  row('the absolute form, in capitals', get(`HTTP://${corpusHost.toUpperCase()}/p`), ['GET /p']),
  row('the absolute form without a path', get(`http://${corpusHost}`), ['GET /']),
  row('the absolute form wins over Host', get(`http://${corpusHost}/p`, 'Host: other.localhost\r\n'), ['GET /p']),
  row('the absolute form without Host', `GET http://${corpusHost}/p HTTP/1.1\r\n${C}\r\n`),
  row('two slashes in front', get(`//evil.example/p`), ['GET //evil.example/p']),
  row('dots and encoded slashes stay as they are', get('/a/../b/%2e%2e%2f%00;x?y=%0d%0aX:z'), ['GET /a/../b/%2e%2e%2f%00;x?y=%0d%0aX:z']),
  row('an address inside the query', get('/p?http://other/'), ['GET /p?http://other/']),
  row('bytes above 127', get('/\xe9')),
]

const hosts: readonly CorpusRow[] = [
  row('no Host', `GET /p HTTP/1.1\r\n\r\n`),
  row('no Host in HTTP/1.0', `GET /p HTTP/1.0\r\n\r\n`),
  row('two Hosts', get('/p', `${H}Host: other\r\n`)),
  row('two Hosts that agree', get('/p', `${H}${H}`)),
  row('two Hosts, one in small letters', get('/p', `${H}host: ${corpusHost}\r\n`)),
  row('a second Host behind 250 headers', get('/p', `${H}${'X: y\r\n'.repeat(250)}Host: other\r\n`)),
  ...['', ' ', `user@${corpusHost}`, `${corpusHost}:`, `${corpusHost}:x`, `${corpusHost}:80:80`, `${corpusHost}:99999`, `${corpusHost}:-1`, `${corpusHost}/p`, `${corpusHost}?p`, `${corpusHost}#p`, `${corpusHost} other`, `${corpusHost}, other`, `${corpusHost}\\other`, `"${corpusHost}"`, `<${corpusHost}>`, `[::1`, '[::1]x', `${corpusHost}\x00`, `http://${corpusHost}`, `${corpusHost};x`, '*', `${corpusHost}\xe9`].map((value) => row(`Host: ${JSON.stringify(value)}`, get('/p', `Host: ${value}\r\n`))),
  row('a space before the colon of Host', get('/p', `Host : ${corpusHost}\r\n`)),
  row('a folded Host', get('/p', `Host:\r\n ${corpusHost}\r\n`)),
  row('Host with a port', get('/p', `Host: ${corpusHost}:1234\r\n`), ['GET /p']),
  row('Host in capitals with a dot', get('/p', `HOST: ${corpusHost.toUpperCase()}.\r\n`), ['GET /p']),
  row('Host named by Connection', `GET /p HTTP/1.1\r\n${H}Connection: host, close\r\n\r\n`, ['GET /p']),
]

const headers: readonly CorpusRow[] = [
  ...['X\x00: y', 'X: \x00', 'X: y\x01', 'X: y\x08', 'X: y\x0b', 'X: y\x0c', 'X: y\x1b[2J', 'X: y\x7f', ': y', 'X', 'X Y: z', '(X): y', 'X@Y: z', 'X/Y: z', '"X": y', 'X\xe9: y', 'X: y\r\n\tz', ' X: y', 'X: y\rZ: a', 'X: y\nZ: a', '\r: y', 'X:y\r'].map((line) => row(`the header ${JSON.stringify(line)}`, get('/p', `${H}${line}\r\n`))),
  row('a header in front of everything is folded', `GET /p HTTP/1.1\r\n X: y\r\n${H}\r\n`),
  row('300 headers', get('/p', `${H}${'X: y\r\n'.repeat(300)}`)),
  row('a header of 40 KB', get('/p', `${H}X: ${'y'.repeat(40_000)}\r\n`)),
  row('headers of 40 KB', get('/p', `${H}${`X: ${'y'.repeat(400)}\r\n`.repeat(100)}`)),
  row('a name of 40 KB', get('/p', `${H}${'X'.repeat(40_000)}: y\r\n`)),
  row('an expectation that nobody can meet', get('/p', `${H}Expect: miracles\r\n`)),
  row('an empty value', get('/p', `${H}X:\r\n`), ['GET /p']),
  row('bytes above 127 in a value', get('/p', `${H}X: \xe9\r\n`), ['GET /p']),
  row('a tab in a value', get('/p', `${H}X: a\tb\r\n`), ['GET /p']),
  row('an upgrade with a body is no upgrade', post('Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n', `hello${get('/q')}`), ['POST /p hello']),
  row('an upgrade with chunks is no upgrade', post('Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n', `5\r\nhello\r\n0\r\n\r\n${get('/q')}`), ['POST /p hello']),
  row('h2c is no upgrade', `GET /p HTTP/1.1\r\n${H}Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n${get('/q')}`, ['GET /p']),
  row('Upgrade that Connection does not name', `GET /p HTTP/1.1\r\n${H}Upgrade: websocket\r\n\r\n${get('/q')}`, ['GET /p']),
]

export const requestCorpus: readonly CorpusRow[] = [...both, ...lengths, ...codings, ...chunks, ...lines, ...targets, ...hosts, ...headers]
