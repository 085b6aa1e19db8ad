import { createHash, createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate as Parsed } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import * as x509 from '@peculiar/x509'
import { replaceFile, withFileLock } from '@pilot/host'
import type { CertificateFiles } from './files.ts'
import type { Issued, Issuer } from './issuer.ts'

/**
 * The certificate authority of this home: a key that never leaves it, and a certificate that the user may trust. It can vouch for
 * any name, since any may stand in a manifest, so it says in its own name whose it is; and it can make no further authority.
 *
 * X.509 by @peculiar/x509: it stands on WebCrypto, acme-client uses it too, and it is loaded in the issuing program only.
 */
const day = 24 * 3600 * 1000
const leafDays = 90
const authorityDays = 3650
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0])

export function localIssuer(files: CertificateFiles): Issuer {
  return {
    async issue({ domain }) {
      const authority = await ensureAuthority(files)
      return leaf(authority, domain)
    },
  }
}

interface Authority {
  readonly certificate: x509.X509Certificate
  readonly key: webcrypto.CryptoKey
}

/** Makes it once; a new one when it ends before what it would issue. */
export async function ensureAuthority(files: CertificateFiles): Promise<Authority> {
  return withFileLock(files.authorityLock, async () => (await readAuthority(files)) ?? (await makeAuthority(files)))
}

async function readAuthority(files: CertificateFiles): Promise<Authority | undefined> {
  if (!existsSync(files.authority) || !existsSync(files.authorityKey)) return undefined
  const pem = readFileSync(files.authorityKey, 'utf8')
  const certificate = new x509.X509Certificate(readFileSync(files.authority, 'utf8'))
  // Killed between the two files, or one of them restored from elsewhere.
  if (!new Parsed(certificate.toString('pem')).checkPrivateKey(createPrivateKey(pem))) return undefined
  if (certificate.notAfter.getTime() < Date.now() + leafDays * day) return undefined
  return { certificate, key: await importKey(pem) }
}

async function makeAuthority(files: CertificateFiles): Promise<Authority> {
  const keys = await newKeys()
  const pem = await exportKey(keys.privateKey)
  const id = createHash('sha256').update(createPublicKey(pem).export({ type: 'spki', format: 'der' })).digest('hex').slice(0, 8)
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: nameOf({ O: ['Pilot'], CN: [`Pilot on ${hostname()} (${id})`] }),
    notBefore: new Date(now - day),
    notAfter: new Date(now + authorityDays * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true), await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)],
  })
  replaceFile(files.authorityKey, pem, { durable: true })
  replaceFile(files.authority, `${certificate.toString('pem')}\n`, { durable: true, mode: 0o644 })
  return { certificate, key: keys.privateKey }
}

async function leaf({ certificate, key }: Authority, domain: string): Promise<Issued> {
  const keys = await newKeys()
  const now = Date.now()
  const issued = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    // The name is in the extension; a common name holds 64 characters at most.
    subject: nameOf({ O: ['Pilot'], ...(domain.length <= 64 ? { CN: [domain] } : {}) }),
    issuer: certificate.subjectName,
    notBefore: new Date(now - day / 24),
    notAfter: new Date(now + leafDays * day),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: domain }]),
      await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { key: await exportKey(keys.privateKey), chain: `${issued.toString('pem')}\n${certificate.toString('pem')}\n` }
}

const newKeys = async (): Promise<webcrypto.CryptoKeyPair> => (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair

const nameOf = (parts: Record<string, string[]>): x509.JsonName => Object.entries(parts).map(([name, values]) => ({ [name]: values }))

/** Positive, and not empty. */
const serial = (): string => `0${(1 + (randomBytes(1)[0]! % 7)).toString(16)}${randomBytes(15).toString('hex')}`

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }) as string
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign'])
}
