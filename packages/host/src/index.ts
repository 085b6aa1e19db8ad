export { openHome, pilotHome, removeHome, type Home } from './home/home.ts'
export { diskFull, freeSpace } from './home/space.ts'
export { removeSharedIfLast, type SharedOptions } from './home/last-home.ts'
export type { HomePaths } from './home/paths.ts'
export { isPortFree, releasePort, reservedPorts, reservePort } from './home/ports.ts'
export { fileLockOwner, tryFileLock, withFileLock, type FileLock } from './home/lock.ts'
export { hasErrno, makeSure, readJson, readOrCreate, removeFile, replaceFile, replaceJson } from './home/files.ts'
export {
  ensureSupervisor,
  isSupervisorOutdated,
  listServices,
  putService,
  removeService,
  restartService,
  serviceStatus,
  stopSupervisor,
  supervisorPid,
  tailOf,
  waitForService,
  type WaitOptions,
} from './supervisor/client.ts'
export { functionToken } from './supervisor/function-token.ts'
export { smallNode } from './programs.ts'
export { watchSupervisor } from './supervisor/start.ts'
export { besideLog } from './logs/log-facts.ts'
export { noteLastWrite, type LogLimits } from './logs/keep-log.ts'
export { readKeptLog, type KeptLine, type LogRange } from './logs/read-log.ts'
export type { RestartPolicy, ServiceSpec } from './supervisor/spec.ts'
export type { ServiceExit, ServiceStatus } from './supervisor/status.ts'
export { edgeMetrics, edgeService, edgeState, ensureEdge, isEdgeOutdated, openRequests, putCertificate, putLink, putRoute, readCertificate, readLink, readRoute, refuseTakenHost, releaseSecurePort, removeCertificate, removeLink, removeRoute, securePort } from './edge/client.ts'
export type { Certificate } from './edge/certificates.ts'
export { challengeUrl, putChallenge, removeChallenge, type Challenge } from './edge/challenges.ts'
export type { EdgeState } from './edge/edge.ts'
export { latencyBounds, type DeploymentMetrics, type EdgeMetrics } from './edge/metrics.ts'
export type { Link, Mount, ProxyUpstream, Route, RouteWeight, SiteUpstream, Upstream } from './edge/routes.ts'
export { filesFolder as siteFilesFolder, writeSiteIndex, type SiteIndex } from './site/site-index.ts'
export { hasCluster, initCluster, openCluster, postgresServiceName, postgresServiceSpec, removeClusterData, type Cluster, type ClusterName } from './postgres/cluster.ts'
export { connectAsSuperuser, ensurePostgres, stopPostgres, waitForPostgres } from './postgres/run.ts'
export { canReach, ensureSystemUser, findUser, postgresUser, type SystemUser } from './postgres/system-user.ts'
export { endAll, endAllOf, processesMarked } from './end-processes.ts'
export { serviceMemory, type ServiceMemory } from './processes.ts'
export { collectWhenIdle } from './idle-memory.ts'
