/** An invoice as text: `GET /42?amount=99`. */
export async function handler(event) {
  const number = event.rawPath.slice(1)
  const amount = event.queryStringParameters?.amount
  if (!/^\d+$/.test(number) || !amount) return { statusCode: 400, body: JSON.stringify({ error: 'ask for /NUMBER?amount=EUR' }) }
  console.log(`invoice ${number} over ${amount} EUR`)
  return { statusCode: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `Invoice ${number}\n\nTo pay: ${amount} EUR\n` }
}
