// Evaluate requests: a JSON array of simulations on stdin, a JSON array of results on stdout.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(`${process.argv[2]}/`)
const { runSimulation } = await import(pathToFileURL(require.resolve('@cloud-copilot/iam-simulate')).href)

let text = ''
for await (const chunk of process.stdin) text += chunk

const results = []
for (const simulation of JSON.parse(text)) {
  const { resultType, overallResult, errors } = await runSimulation(simulation, {})
  results.push(resultType === 'error' ? { error: JSON.stringify(errors) } : { result: overallResult })
}
process.stdout.write(JSON.stringify(results))
