'use strict';
// wechat-api (callbacks) and co-wechat-api (promises), which have the same calls: `node wechat_api.js CLIENT`.

const { promisify } = require('util');
const fetch = require('node-fetch');
const { assert, check, refused, passTime, keepDrawn, way, endpoint, origin, appId, appSecret, proxyAgent } = require('./checks');

const API = 'WeChat codes';
const name = process.argv[2];
const calls = ['getAccessToken', 'createTmpQRCode', 'createLimitQRCode'];
const Client = require(name);

function client(id = appId, secret = appSecret) {
  const api = new Client(id, secret);
  api.setOpts(proxyAgent ? { agent: proxyAgent, httpsAgent: proxyAgent } : {});
  if (way === 'endpoint') {
    api.endpoint = origin;
    api.prefix = `${origin}/cgi-bin/`;
    api.mpPrefix = `${origin}/cgi-bin/`;
  }
  if (name === 'wechat-api') {
    for (const call of calls) api[call] = promisify(api[call].bind(api));
  }
  return api;
}

async function isRefused(code, message, call) {
  const error = await refused(call);
  assert.deepEqual([error.name, error.code], ['WeChatAPIError', code], error.stack);
  assert(error.message.startsWith(message) && error.message.includes(' rid: '), error.message);
}

const api = client();

check(API, 'a token', async () => {
  const token = await api.getAccessToken();
  assert(token.accessToken && token.isValid() && token.expireTime > Date.now() + 7_000_000, JSON.stringify(token));
});
check(API, 'a wrong secret', () => isRefused(40125, 'invalid appsecret', () => client(appId, 'wrong').getAccessToken()));
check(API, 'an unknown account', () => isRefused(40013, 'invalid appid', () => client('wxffffffffffffffff').getAccessToken()));
check(API, 'a temporary code and its picture', async () => {
  const answer = await api.createTmpQRCode(123, 1800);
  assert.deepEqual(Object.keys(answer), ['ticket', 'expire_seconds', 'url']);
  assert.equal(answer.expire_seconds, 1800);
  const shown = await fetch(api.showQRCodeURL(answer.ticket), { agent: proxyAgent });
  assert.deepEqual([shown.status, shown.headers.get('content-type')], [200, 'image/jpg']);
  keepDrawn(`${name}-${way}.jpg`, await shown.buffer(), answer.url);
});
check(API, 'a temporary code of a text', async () => assert.equal((await api.createTmpQRCode('柜台', 2592000)).expire_seconds, 2592000));
check(API, 'permanent codes', async () => {
  assert.deepEqual(Object.keys(await api.createLimitQRCode(100000)), ['ticket', 'url']);
  assert.deepEqual(await api.createLimitQRCode('柜台'), await api.createLimitQRCode('柜台'));
});
check(API, 'the picture of an unknown ticket', async () => {
  assert.equal((await fetch(api.showQRCodeURL('gQunknown'), { agent: proxyAgent })).status, 404);
});
check(API, 'a scene of zero', () => isRefused(40053, 'invalid action info', () => api.createTmpQRCode(0, 60)));
check(API, 'a scene too large', () => isRefused(40053, 'invalid action info', () => api.createLimitQRCode(100001)));
check(API, 'a token that is not in force', async () => {
  const stale = client();
  await stale.saveToken({ accessToken: 'unknown', expireTime: Date.now() + 3_600_000 }, () => {});
  // The older one asks again with the same token, the newer one fetches a token first.
  if (name === 'wechat-api') await isRefused(40001, 'invalid credential', () => stale.createTmpQRCode(1, 60));
  else assert((await stale.createTmpQRCode(1, 60)).ticket);
});
check(API, 'a code and a token that have ended', async () => {
  const { ticket } = await api.createTmpQRCode(2, 60);
  await passTime('7201s');
  assert.equal((await fetch(api.showQRCodeURL(ticket), { agent: proxyAgent })).status, 404);
  if (name === 'wechat-api') await isRefused(42001, 'access_token expired', () => api.createTmpQRCode(2, 60));
  else assert((await api.createTmpQRCode(2, 60)).ticket);
});
