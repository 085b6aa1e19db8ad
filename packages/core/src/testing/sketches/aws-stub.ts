import { lagging, startStub, type StubAnswer } from './stub.ts'

interface Thing {
  readonly id: string
  readonly fields: Record<string, unknown>
  status: () => string
  /** For the search by filter, which lags. */
  readonly visibleAt: number
}
type Parameters = Record<string, any>

class Refusal extends Error {
  readonly code: string
  constructor(code: string, message: string = code) {
    super(message)
    this.code = code
  }
}

/** As much of six services of AWS as the sketches need, with the conditions under which they refuse. */
export async function startAwsStub({ slowMs = 40, searchLagMs = 100 } = {}) {
  const things = new Map<string, Thing>()
  let next = 1
  const add = (id: string, fields: Parameters, status: () => string) => {
    const thing = { id, fields, status, visibleAt: performance.now() + searchLagMs }
    things.set(id, thing)
    return thing
  }
  const need = (id: string, code: string) => {
    const found = things.get(id)
    if (found === undefined || found.status() === 'gone') throw new Refusal(code, `${id} does not exist`)
    return found
  }
  const all = (prefix: string) => [...things.values()].filter(({ id, status }) => id.startsWith(prefix) && status() !== 'gone')

  const vpc = ({ id, fields, status }: Thing) => ({ VpcId: id, State: status(), ...fields })
  const instance = ({ fields, status }: Thing) => ({ ...fields, DBInstanceStatus: status(), PendingModifiedValues: (fields['pending'] as () => object)(), Endpoint: { Address: `${String(fields['DBInstanceIdentifier'])}.rds.example`, Port: 5432 }, MasterUserPassword: undefined })
  const service = ({ id, fields, status }: Thing) => ({ serviceArn: id, ...fields, status: 'ACTIVE', runningCount: status() === 'running' ? fields['desiredCount'] : 0 })
  const distribution = ({ id, fields, status }: Thing) => ({ Id: id, ...fields, Status: status(), DomainName: `${id}.cloudfront.example` })
  const matching = (thing: Thing, { IfMatch }: Parameters) => {
    if (thing.fields['ETag'] !== IfMatch) throw new Refusal('PreconditionFailed')
  }

  const actions: Record<string, (parameters: Parameters) => unknown> = {
    CreateVpc: ({ CidrBlock, TagSpecifications }) => ({ Vpc: vpc(add(`vpc-${next++}`, { CidrBlock, Tags: TagSpecifications[0].Tags, EnableDnsHostnames: false }, lagging('pending', 'available', slowMs))) }),
    DescribeVpcs: ({ VpcIds, Filters }) => ({
      Vpcs: (VpcIds === undefined ? all('vpc-').filter(({ visibleAt, fields }) => performance.now() > visibleAt && (fields['Tags'] as { Value: string }[]).some(({ Value }) => Value === Filters[0].Values[0])) : VpcIds.map((id: string) => need(id, 'InvalidVpcID.NotFound'))).map(vpc),
    }),
    ModifyVpcAttribute: ({ VpcId, EnableDnsHostnames }) => void (need(VpcId, 'InvalidVpcID.NotFound').fields['EnableDnsHostnames'] = EnableDnsHostnames.Value),
    DeleteVpc: ({ VpcId }) => {
      need(VpcId, 'InvalidVpcID.NotFound')
      if (all('db/').some(({ fields }) => fields['DBSubnetGroupName'] === VpcId)) throw new Refusal('DependencyViolation', `${VpcId} has dependencies`)
      things.delete(VpcId)
    },

    CreateDBInstance: (parameters) => {
      const id = `db/${parameters['DBInstanceIdentifier']}`
      if (things.has(id)) throw new Refusal('DBInstanceAlreadyExists', `${id} exists`)
      need(parameters['DBSubnetGroupName'], 'DBSubnetGroupNotFound')
      add(id, { ...parameters, TagList: parameters['Tags'], pending: () => ({}) }, lagging('creating', 'available', slowMs))
    },
    DescribeDBInstances: ({ DBInstanceIdentifier: id }) => ({ DBInstances: (id === undefined ? all('db/') : [need(`db/${id}`, 'DBInstanceNotFound')]).map(instance) }),
    DescribeDBSnapshots: () => ({ DBSnapshots: all('snapshot/').map(({ fields }) => fields) }),
    ModifyDBInstance: ({ DBInstanceIdentifier, ApplyImmediately: _, ...changes }) => {
      const { fields } = need(`db/${DBInstanceIdentifier}`, 'DBInstanceNotFound')
      Object.assign(fields, changes, { pending: lagging({ AllocatedStorage: changes['AllocatedStorage'] }, {}, slowMs) })
    },
    DeleteDBInstance: ({ DBInstanceIdentifier, FinalDBSnapshotIdentifier }) => {
      const found = need(`db/${DBInstanceIdentifier}`, 'DBInstanceNotFound')
      if (found.status() === 'deleting') throw new Refusal('InvalidDBInstanceState')
      add(`snapshot/${FinalDBSnapshotIdentifier}`, { DBSnapshotIdentifier: FinalDBSnapshotIdentifier, TagList: found.fields['TagList'] }, () => 'available')
      const status = lagging('deleting', 'gone', slowMs)
      found.status = () => {
        if (status() === 'gone') things.delete(found.id)
        return status()
      }
    },

    CreateService: ({ clientToken, serviceName, tags, taskDefinition, loadBalancers, desiredCount }) => {
      const known = all('arn:ecs:').find(({ fields }) => fields['clientToken'] === clientToken)
      return { service: service(known ?? add(`arn:ecs:${serviceName}`, { clientToken, tags, taskDefinition, loadBalancers, desiredCount }, lagging('starting', 'running', slowMs))) }
    },
    DescribeServices: ({ services }) => ({ services: all('arn:ecs:').map(service).filter(({ serviceArn }) => services?.includes(serviceArn) ?? true) }),
    UpdateService: ({ service: id, desiredCount }) => {
      const found = need(id, 'ServiceNotFoundException')
      found.fields['desiredCount'] = desiredCount
      found.status = lagging('starting', 'running', slowMs)
    },
    DeleteService: ({ service: id }) => void things.delete(need(id, 'ServiceNotFoundException').id),

    CreateRule: ({ Priority, Host, Tags, TargetGroups }) => {
      if (all('rule-').some(({ fields }) => fields['Priority'] === Priority)) throw new Refusal('PriorityInUse', `priority ${Priority} is in use`)
      const { id, fields } = add(`rule-${next++}`, { Priority, Host, Tags, TargetGroups }, () => 'active')
      return { Rule: { RuleArn: id, ...fields } }
    },
    DescribeRules: () => ({ Rules: all('rule-').map(({ id, fields }) => ({ RuleArn: id, ...fields })) }),
    ModifyRule: ({ RuleArn, TargetGroups }) => void (need(RuleArn, 'RuleNotFound').fields['TargetGroups'] = TargetGroups),
    DeleteRule: ({ RuleArn }) => void things.delete(need(RuleArn, 'RuleNotFound').id),

    CreateDistributionWithTags: ({ Config, Tags }) => {
      const known = all('E').find(({ fields }) => (fields['Config'] as Parameters)['CallerReference'] === Config.CallerReference)
      return { Distribution: distribution(known ?? add(`E${next++}`, { Config, Tags, ETag: `etag-${next++}` }, lagging('InProgress', 'Deployed', slowMs))) }
    },
    GetDistribution: ({ Id }) => ({ Distribution: distribution(need(Id, 'NoSuchDistribution')) }),
    ListDistributions: () => ({ Distributions: all('E').map(distribution) }),
    UpdateDistribution: ({ Id, Config, ...rest }) => {
      const found = need(Id, 'NoSuchDistribution')
      matching(found, rest)
      Object.assign(found.fields, { Config, ETag: `etag-${next++}` })
      found.status = lagging('InProgress', 'Deployed', slowMs)
    },
    DeleteDistribution: ({ Id, ...rest }) => {
      const found = need(Id, 'NoSuchDistribution')
      matching(found, rest)
      if ((found.fields['Config'] as Parameters)['Enabled'] || found.status() !== 'Deployed') throw new Refusal('DistributionNotDisabled')
      things.delete(Id)
    },
  }

  const server = await startStub(({ headers, body }): StubAnswer => {
    const name = String(headers['x-amz-target'])
    const action = actions[name]
    if (action === undefined) return { status: 400, body: { code: 'InvalidAction', message: `no action ${name}` } }
    try {
      return { body: action(body) ?? {} }
    } catch (error) {
      return { status: 400, body: { code: (error as Refusal).code ?? 'InternalFailure', message: (error as Error).message } }
    }
  })
  return { ...server, ids: () => [...things.values()].filter(({ status }) => status() !== 'gone').map(({ id }) => id) }
}
