import * as z from 'zod'
import type { PilotError } from '../../errors/pilot-error.ts'
import { defineKind } from '../../provider/kind.ts'
import { isSameOwner, orAbsent, ownerOfTags, tagsOf, type Aws, type Tags } from './aws.ts'

interface Service {
  readonly serviceArn: string
  readonly taskDefinition: string
  readonly loadBalancers: readonly { readonly targetGroupArn: string }[]
  readonly desiredCount: number
  readonly runningCount: number
  readonly status: 'ACTIVE' | 'DRAINING' | 'INACTIVE'
  readonly tags: Tags
}
interface Rule {
  readonly RuleArn: string
  readonly Priority: number
  readonly Host: string
  readonly TargetGroups: readonly { readonly TargetGroupArn: string; readonly Weight: number }[]
  readonly Tags: Tags
}

/** A deployment: one immutable service; ECS deduplicates by `clientToken`, and settling means that its tasks run. */
export const ecsServiceKind = (aws: Aws) =>
  defineKind({
    kind: 'aws/ecs-service',
    version: 1,
    inputs: z.object({ taskDefinition: z.string(), targetGroup: z.string(), count: z.number() }),
    outputs: z.object({ arn: z.string(), targetGroup: z.string() }),
    fields: { immutable: ['taskDefinition', 'targetGroup'] },
    identity: 'token',
    consistencyMs: 0,
    permissions: ['ecs:CreateService', 'ecs:DescribeServices', 'ecs:ListServices', 'ecs:UpdateService', 'ecs:DeleteService', 'ecs:TagResource'],
    cost: ({ count }) => ({ monthly: count * 9.01, currency: 'USD', basis: `${count} × 0.25 vCPU and 512 MB of Fargate for 730 h, us-east-1` }),
    exposure: () => [],

    async create({ name, token, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      const { taskDefinition, targetGroup, count } = inputs
      const { service } = await aws.call<{ service: Service }>('CreateService', { serviceName: name, clientToken: token, taskDefinition, desiredCount: count, loadBalancers: [{ targetGroupArn: targetGroup }], tags: tagsOf(owner) }, signal)
      return { id: service.serviceArn }
    },
    async settle({ id, signal }) {
      const found = await describeService(aws, id, signal)
      if (found === undefined) return { status: 'failed', reason: `${id} does not exist` }
      if (found.runningCount < found.desiredCount) return { status: 'pending', retryAfterMs: 20, message: `${found.runningCount} of ${found.desiredCount} tasks run` }
      return { status: 'ready', outputs: { arn: id, targetGroup: groupOf(found) } }
    },
    async read({ id, signal }) {
      const found = await describeService(aws, id, signal)
      return found && { inputs: { taskDefinition: found.taskDefinition, targetGroup: groupOf(found), count: found.desiredCount }, outputs: { arn: id, targetGroup: groupOf(found) } }
    },
    async list({ platformId, signal }) {
      const { services } = await aws.call<{ services: Service[] }>('DescribeServices', {}, signal)
      return services.filter(({ tags, status }) => status === 'ACTIVE' && ownerOfTags(tags).platformId === platformId).map(({ serviceArn, tags }) => ({ id: serviceArn, owner: ownerOfTags(tags), title: `ECS service ${serviceArn}` }))
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await aws.call('UpdateService', { service: id, desiredCount: inputs.count }, signal)
      return {}
    },
    async delete({ id, signal, checkpoint }) {
      if ((await describeService(aws, id, signal)) === undefined) return {}
      await checkpoint()
      await orAbsent(aws.call('DeleteService', { service: id, force: true }, signal), 'ServiceNotFoundException')
      return {}
    },
  })

/** Traffic: one listener rule whose weights a release, a canary step and a rollback update. It has no name and no token; its priority is the slot. */
export const listenerRuleKind = (aws: Aws) =>
  defineKind({
    kind: 'aws/listener-rule',
    version: 1,
    inputs: z.object({ listener: z.string(), host: z.string(), priority: z.number(), weights: z.array(z.object({ deployment: z.string(), percent: z.number(), targetGroup: z.string() })) }),
    outputs: z.object({ url: z.string() }),
    fields: { immutable: ['listener', 'priority', 'host'], writeOnly: ['listener'] },
    identity: 'search',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['elasticloadbalancing:CreateRule', 'elasticloadbalancing:DescribeRules', 'elasticloadbalancing:ModifyRule', 'elasticloadbalancing:DeleteRule', 'elasticloadbalancing:AddTags'],
    cost: () => ({ unpriced: 'the load balancer charges by use' }),
    exposure: ({ host }) => [{ what: `https://${host}`, to: 'internet' }],

    async create({ owner, inputs, signal, checkpoint }) {
      await checkpoint()
      try {
        const { Rule } = await aws.call<{ Rule: Rule }>('CreateRule', { ListenerArn: inputs.listener, Host: inputs.host, Priority: inputs.priority, TargetGroups: groupsOf(inputs), Tags: tagsOf(owner) }, signal)
        return { id: Rule.RuleArn }
      } catch (error) {
        if ((error as PilotError).code !== 'NAME_TAKEN') throw error
        const { Rules } = await aws.call<{ Rules: Rule[] }>('DescribeRules', {}, signal)
        const mine = Rules.find(({ Priority, Tags }) => Priority === inputs.priority && isSameOwner(ownerOfTags(Tags), owner))
        if (mine === undefined) throw error
        return { id: mine.RuleArn }
      }
    },
    settle: async ({ inputs }) => ({ status: 'ready', outputs: { url: `https://${inputs.host}` } }),
    async read({ id, recorded, signal }) {
      const rule = (await describeRules(aws, signal)).find(({ RuleArn }) => RuleArn === id)
      if (rule === undefined) return undefined
      const deploymentOf = (group: string) => recorded.weights?.find(({ targetGroup }) => targetGroup === group)?.deployment ?? group
      const weights = rule.TargetGroups.map(({ TargetGroupArn, Weight }) => ({ deployment: deploymentOf(TargetGroupArn), percent: Weight, targetGroup: TargetGroupArn }))
      return { inputs: { host: rule.Host, priority: rule.Priority, weights }, outputs: { url: `https://${rule.Host}` } }
    },
    async list({ platformId, signal }) {
      return (await describeRules(aws, signal)).filter(({ Tags }) => ownerOfTags(Tags).platformId === platformId).map(({ RuleArn, Tags }) => ({ id: RuleArn, owner: ownerOfTags(Tags), title: `listener rule ${RuleArn}` }))
    },
    async update({ id, inputs, signal, checkpoint }) {
      await checkpoint()
      await aws.call('ModifyRule', { RuleArn: id, TargetGroups: groupsOf(inputs) }, signal)
      return {}
    },
    async delete({ id, signal, checkpoint }) {
      await checkpoint()
      await orAbsent(aws.call('DeleteRule', { RuleArn: id }, signal), 'RuleNotFound')
      return {}
    },
  })

const groupOf = ({ loadBalancers }: Service) => loadBalancers[0]?.targetGroupArn ?? ''

const groupsOf = ({ weights }: { weights: readonly { percent: number; targetGroup: string }[] }) => weights.map(({ percent, targetGroup }) => ({ TargetGroupArn: targetGroup, Weight: percent }))

const describeRules = async (aws: Aws, signal: AbortSignal) => (await aws.call<{ Rules: Rule[] }>('DescribeRules', {}, signal)).Rules

async function describeService(aws: Aws, arn: string, signal: AbortSignal): Promise<Service | undefined> {
  const { services } = await aws.call<{ services: Service[] }>('DescribeServices', { services: [arn] }, signal)
  return services.find(({ serviceArn, status }) => serviceArn === arn && status === 'ACTIVE')
}
