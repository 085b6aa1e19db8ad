import * as z from 'zod'
import type { Backup, DatabaseLogin, DatabaseUser, DatabaseView, VolumeStatus } from '@pilot/core'
import { appIdentitySchema, timeSchema } from './shared.ts'

/** What core says, as it is: newer fields pass through. */
const shapeOf = <T>(shape: Record<string, z.ZodType>, id: string): z.ZodType<T> => z.looseObject(shape).meta({ id }) as unknown as z.ZodType<T>

export const databaseSchema = shapeOf<DatabaseView>(
  {
    of: appIdentitySchema.describe('The app that it belongs to.'),
    sharedWith: z.array(appIdentitySchema),
    database: z.string(),
    owner: z.string(),
    bytes: z.number(),
    connections: z.number().int(),
    maxConnections: z.number().int().describe('Of the server, for all its databases together.'),
    postgres: z.string(),
    host: z.string(),
    port: z.number().int(),
    extensions: z.array(z.string()),
    kept: z.object({ database: z.string(), bytes: z.number() }).optional().describe('What the last restore replaced.'),
  },
  'Database',
)
export type Database = DatabaseView

export const databaseUserSchema = shapeOf<DatabaseUser>({ name: z.string(), app: appIdentitySchema.optional(), connections: z.number().int(), connectionLimit: z.number().int() }, 'DatabaseUser')

export type Login = DatabaseLogin & { readonly password: string }
export const databaseLoginSchema = z.object({ host: z.string(), port: z.number().int(), database: z.string(), user: z.string(), password: z.string() }).meta({ id: 'DatabaseLogin' })

export const backupSchema = shapeOf<Backup>(
  { id: z.string(), app: appIdentitySchema, by: z.string(), version: z.string().optional(), scheduled: z.literal(true).optional().describe('Made by a schedule, which also deletes it when it is old.'), startedAt: timeSchema, ms: z.number(), bytes: z.number(), checksum: z.string(), place: z.string(), postgres: z.string(), tables: z.number(), rows: z.number() },
  'Backup',
)

export const volumeSchema = shapeOf<VolumeStatus>(
  {
    volume: z.string(),
    kind: z.string(),
    id: z.string().describe('Where it is: the name of a Docker volume, of a folder.'),
    path: z.string().optional().describe('Where what runs finds it.'),
    inUse: z.boolean().describe('Whether what runs, or ran last, has it.'),
    shared: z.boolean(),
    bytes: z.number().optional().describe('Absent: it could not be told soon.'),
  },
  'Volume',
)
