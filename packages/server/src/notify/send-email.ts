import { subjectOf, textOf } from './message.ts'
import type { Send } from './send.ts'

/** By SMTP, always with TLS unless it was left out on purpose. nodemailer speaks the protocol: no dependency of its own, and the one that everybody uses. */
export const sendEmail: Send<'email'> = async ({ host, port, user, secret, from, to, plain, ca }, message, { signal }) => {
  // Here, not above: it is 0.3 MB that most homes never need.
  const { createTransport } = await import('nodemailer')
  const secure = port === 465
  const transport = createTransport({
    host,
    port,
    secure,
    requireTLS: !secure && !plain,
    ignoreTLS: plain,
    ...(user === undefined ? {} : { auth: { user, pass: secret ?? '' } }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const leave = (): void => reject(new Error('interrupted'))
  signal.addEventListener('abort', leave, { once: true })
  try {
    // A mail server that keeps us waiting does not keep the server of the home from ending.
    await Promise.race([aborted, transport.sendMail({ from, to: [...to], subject: subjectOf(message), text: textOf(message), messageId: `<${message.id}@pilot>`, headers: { 'x-pilot-event': message.notice.event } })])
  } catch (error) {
    const text = ((error as Error).message ?? '').replace(/\s+/g, ' ').slice(0, 300)
    throw new Error(secret === undefined || secret === '' ? text : text.replaceAll(secret, '***'))
  } finally {
    signal.removeEventListener('abort', leave)
    transport.close()
  }
}
