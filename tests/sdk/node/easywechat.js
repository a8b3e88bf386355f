'use strict';
// node-easywechat: tokens of both kinds, codes with parameters and reading a picture by its generic calls.

const fs = require('fs');
const fetch = require('node-fetch');
const { OfficialAccount } = require('node-easywechat');
const { assert, check, refused, passTime, keepDrawn, picture, pictureUrl, way, origin, appId, appSecret, proxyAgent } = require('./checks');

const CODES = 'WeChat codes';
const SCAN = 'WeChat scan';
// It copies its settings deeply, which no agent survives; of proxies it knows `HTTPS_PROXY`.
const TO_THE_SERVER = way === 'endpoint' ? { baseURL: `${origin}/` } : {};
const mp = way === 'endpoint' ? origin : 'https://mp.weixin.qq.com';

class Tokens { // keeps them for this process, instead of in a file
  constructor() { this.kept = {}; }
  async get(key) { return this.kept[key]; }
  async set(key, value) { this.kept[key] = value; return true; }
  async has(key) { return key in this.kept; }
  async delete(key) { delete this.kept[key]; return true; }
}

function account(settings = {}) {
  const app = new OfficialAccount({ app_id: appId, secret: appSecret, http: TO_THE_SERVER, ...settings });
  app.setCache(new Tokens());
  return app;
}

const create = async (body, app = account()) => (await app.getClient().postJson('/cgi-bin/qrcode/create', body)).toObject();
const scan = async (file, params = {}) => {
  const client = account().getClient();
  return (await (file ? client.withFile(picture(file), 'img') : client).post('/cv/img/qrcode', { params })).toObject();
};

async function isRefused(code, message, answer) {
  const { errcode, errmsg } = await answer;
  assert.equal(errcode, code, errmsg);
  assert(errmsg.startsWith(message) && errmsg.includes(' rid: '), errmsg);
}

check(CODES, 'a token', async () => assert((await account().getAccessToken().getToken()).length > 100));
check(CODES, 'a stable token', async () => {
  const app = account({ use_stable_access_token: true });
  const token = await app.getAccessToken().refresh();
  assert.equal(await app.getAccessToken().refresh(), token);
  assert((await create({ action_name: 'QR_SCENE', action_info: { scene: { scene_id: 1 } } }, app)).ticket);
});
check(CODES, 'a wrong secret', async () => {
  assert.match((await refused(() => account({ secret: 'wrong' }).getAccessToken().getToken())).message, /"errcode":40125/);
});
check(CODES, 'a temporary code and its picture', async () => {
  const answer = await create({ expire_seconds: 1800, action_name: 'QR_STR_SCENE', action_info: { scene: { scene_str: '柜台' } } });
  assert.deepEqual([Object.keys(answer), answer.expire_seconds], [['ticket', 'expire_seconds', 'url'], 1800]);
  const shown = await fetch(`${mp}/cgi-bin/showqrcode?ticket=${encodeURIComponent(answer.ticket)}`, { agent: proxyAgent });
  keepDrawn(`node-easywechat-${way}.jpg`, await shown.buffer(), answer.url);
});
check(CODES, 'a permanent code', async () => {
  assert.deepEqual(Object.keys(await create({ action_name: 'QR_LIMIT_SCENE', action_info: { scene: { scene_id: 7 } } })), ['ticket', 'url']);
});
check(CODES, 'an unknown action', () => isRefused(40052, 'invalid action name', create({ action_name: 'QR' })));
check(CODES, 'a token that is not in force', async () => {
  const app = account();
  await app.getCache().set(app.getAccessToken().getKey(), 'unknown');
  await isRefused(40001, 'invalid credential', create({ action_name: 'QR' }, app));
});
check(SCAN, 'a QR code in a file', async () => {
  const answer = await scan('qr.jpg');
  assert.deepEqual([answer.errcode, answer.errmsg, answer.img_size], [0, 'ok', { w: 300, h: 300 }]);
  assert.deepEqual([answer.code_results[0].type_name, answer.code_results[0].data], ['QR_CODE', 'https://www.example.com/?q=1']);
});
check(SCAN, 'a picture by address', async () => assert.equal((await scan(null, { img_url: pictureUrl('qr.png') })).code_results.length, 1));
check(SCAN, 'no code in the picture', async () => assert.deepEqual((await scan('blank.png')).code_results, []));
check(SCAN, 'no picture', () => isRefused(101002, 'invalid image data', scan('text.png')));
check(SCAN, 'an address that cannot be reached', () => isRefused(101000, 'invalid image url', scan(null, { img_url: 'http://127.0.0.1:9/qr.png' })));
check(SCAN, 'nothing', () => isRefused(41005, 'media data missing', scan(null)));
check(CODES, 'a token that has ended', async () => {
  const app = account();
  await create({ action_name: 'QR' }, app);
  await passTime('7201s');
  await isRefused(42001, 'access_token expired', create({ action_name: 'QR' }, app));
});
