// scenario.js DRIVER HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by mysql2 or
// mariadb. Parameters go to the server as prepared ones.
const fs = require('fs');
const crypto = require('crypto');
const [driver, host, port, user, password, schema, file] = process.argv.slice(2);

function show(value) {
  if (Buffer.isBuffer(value)) return value.length > 200 ? `buffer ${value.length} ${md5(value)}` : `buffer ${value.toString('hex')}`;
  if (typeof value === 'string' && value.length > 200) return `string ${value.length} ${md5(value)}`;
  if (typeof value === 'bigint') return `bigint ${value}`;
  return `${typeof value} ${JSON.stringify(value)}`;
}
const md5 = (value) => crypto.createHash('md5').update(value).digest('hex');

function parameter(text) {
  const at = text.indexOf(':');
  const kind = text.slice(0, at), value = text.slice(at + 1);
  switch (kind) {
    case 'i': return Math.abs(Number(value)) > Number.MAX_SAFE_INTEGER ? BigInt(value) : Number(value);
    case 'd': return Number(value);
    case 's': return value;
    case 'x': return Buffer.from(value, 'hex');
    case 'r': { const [n, c] = value.split(':'); return c.repeat(Number(n)); }
  }
  return null;
}

function column(c) {
  if (typeof c === 'string') return c;
  const name = typeof c.name === 'function' ? c.name() : c.name;
  return [name, c.columnType, c.type, c.characterSet, c.collation && c.collation.index, c.columnLength, c.flags, c.decimals, c.scale].join(' ');
}

function print(result, fields) {
  if (Array.isArray(result) && result.length && (Array.isArray(result[0]) && Array.isArray(fields && fields[0]) || isSets(result))) {
    result.forEach((r, i) => print(r, fields && fields[i]));
    return;
  }
  if (!Array.isArray(result)) {
    const { affectedRows, insertId, warningStatus, info } = result;
    console.log('  ok', show({ affectedRows, insertId: String(insertId), warningStatus, info }));
    return;
  }
  for (const c of fields || result.meta || []) console.log('  column', column(c));
  result.slice(0, 20).forEach((row) => console.log('  ' + Object.values(row).map(show).join(' | ')));
  console.log(`  ${result.length} rows`);
}
// The mariadb driver gives several results as an array of arrays and objects.
const isSets = (result) => driver === 'mariadb' && result.length && (Array.isArray(result[0]) && result[0].meta || result[0] && result[0].constructor && result[0].constructor.name === 'OkPacket');

async function main() {
  const library = driver === 'mysql2' ? require('mysql2/promise') : require('mariadb');
  const common = { host, port: Number(port), user, password, database: schema, supportBigNumbers: true, dateStrings: true };
  const db = await library.createConnection(driver === 'mysql2' ? { ...common, rowsAsArray: true, charset: 'utf8mb4' } : { ...common, rowsAsArray: true, bulk: true });
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter((line) => line && line[0] !== '#');
  for (const line of lines) {
    console.log(JSON.stringify(line));
    const [kind, sql, ...rest] = line.split('\t');
    try {
      if (kind === 'B') {
        const count = Number(rest[0]);
        const values = rest.slice(1).map(parameter), width = values.length / count;
        const rows = Array.from({ length: count }, (_, i) => values.slice(i * width, (i + 1) * width));
        if (driver === 'mariadb') { print(await db.batch(sql, rows)); continue; }
        for (const row of rows) print(...await db.execute(sql, row));
        continue;
      }
      const values = rest.map(parameter);
      if (driver === 'mysql2') {
        print(...(kind === 'Q' ? await db.query(sql) : await db.execute(sql, values.map((v) => typeof v === 'bigint' ? String(v) : v))));
      } else {
        print(kind === 'Q' ? await db.query(sql) : await db.execute(sql, values));
      }
    } catch (error) {
      console.log('  error', error.errno, error.sqlState, error.code, error.sqlMessage || error.message.split('\n')[0].replace(/conn:[0-9-]+/, 'conn:'));
    }
  }
  await db.ping();
  if (driver === 'mysql2') await db.changeUser({ user, password, database: schema });
  else await db.reset();
  console.log('changed', show((driver === 'mysql2' ? (await db.query('SELECT @x, DATABASE()'))[0] : await db.query('SELECT @x, DATABASE()'))));
  await db.end();
}
main().catch((error) => { console.log('failed', error.message); process.exit(1); });
