'use strict';
// cos-nodejs-sdk-v5: qrcode-generate, by its generic request.

const COS = require('cos-nodejs-sdk-v5');
const fetch = require('node-fetch');
const { assert, check, refused, keepDrawn, way, endpoint, origin, secretId, secretKey, lateId, temporary, bucket, region, awkwardText, proxyAgent } = require('./checks');

const API = 'COS';
const TO_THE_SERVER = { endpoint: { Protocol: 'http:', Domain: endpoint }, names: {}, proxy: { Proxy: origin } }[way];

const client = (settings = {}) => new COS({ SecretId: secretId, SecretKey: secretKey, ...TO_THE_SERVER, ...settings });

function draw(by, question = {}) {
  const Query = { 'ci-process': 'qrcode-generate', 'qrcode-content': 'https://www.example.com', mode: 0, width: 200, ...question };
  return by.request({ Bucket: bucket, Region: region, Method: 'GET', Key: '', Query });
}

function isPng(base64, width) {
  const data = Buffer.from(base64, 'base64');
  assert.deepEqual([data.subarray(1, 4).toString(), data.readUInt32BE(16)], ['PNG', width]);
  return data;
}

async function isRefused(status, code, message, call) {
  const error = await refused(call);
  assert.deepEqual([error.statusCode, error.code], [status, code]);
  assert(error.message.includes(message), error.message);
  assert(error.RequestId && error.error.RequestId === error.RequestId && error.error.Resource && error.error.TraceId);
}

check(API, 'a QR code', async () => {
  const answer = await draw(client());
  assert.deepEqual(Object.keys(answer.Response), ['ResultImage']);
  isPng(answer.Response.ResultImage, 200);
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['content-type'], 'application/xml');
  assert.equal(answer.RequestId, answer.headers['x-cos-request-id']);
});
check(API, 'a QR code of every awkward character', async () => {
  const answer = await draw(client(), { 'qrcode-content': awkwardText, width: 300 });
  keepDrawn(`cos-node-${way}.png`, isPng(answer.Response.ResultImage, 300), awkwardText);
});
check(API, 'a barcode', async () => {
  isPng((await draw(client(), { 'qrcode-content': '50090500019191', mode: 1, width: 400 })).Response.ResultImage, 400);
});
check(API, 'temporary keys', async () => {
  const by = client({ SecretId: temporary.id, SecretKey: temporary.key, SecurityToken: temporary.token });
  assert((await draw(by)).Response.ResultImage);
});
check(API, 'a presigned URL', async () => {
  const Query = { 'ci-process': 'qrcode-generate', 'qrcode-content': awkwardText, mode: '0', width: '200' };
  const url = client().getObjectUrl({ Bucket: bucket, Region: region, Key: '/', Sign: true, Query }, () => {});
  const answer = await fetch(url, { agent: proxyAgent });
  assert.equal(answer.status, 200, await answer.text());
});
if (way === 'endpoint') {
  check(API, 'the bucket\'s own host at another address', async () => {
    assert((await draw(client({ Domain: undefined, Ip: endpoint }))).Response.ResultImage);
  });
}
if (way === 'proxy') {
  check(API, 'plain http through the proxy', async () => {
    assert((await draw(client({ Protocol: 'http:' }))).Response.ResultImage);
  });
}
check(API, 'a wrong key', () => isRefused(403, 'SignatureDoesNotMatch', 'The Signature you specified is invalid.',
  () => draw(client({ SecretKey: 'wrong' }))));
check(API, 'an unknown key', () => isRefused(403, 'InvalidAccessKeyId', 'does not exist in our records',
  () => draw(client({ SecretId: 'AKIDunknown0123456789ABCDEFGHIJKLMN' }))));
check(API, 'a signature of yesterday', () => isRefused(403, 'AccessDenied', 'Request has expired',
  () => draw(client({ SecretId: lateId, CorrectClockSkew: false }))));
check(API, 'a signature of yesterday, made anew by the answer\'s clock', async () => {
  assert((await draw(client({ SecretId: lateId }))).Response.ResultImage);
});
check(API, 'a clock of yesterday, set right by the answer', async () => {
  assert((await draw(client({ SystemClockOffset: -86_400_000 }))).Response.ResultImage);
});
check(API, 'a clock of tomorrow, set right by the answer', async () => {
  assert((await draw(client({ SystemClockOffset: 86_400_000 }))).Response.ResultImage);
});
check(API, 'a wrong token', () => isRefused(403, 'AccessDenied', 'Access Denied.',
  () => draw(client({ SecretId: temporary.id, SecretKey: temporary.key, SecurityToken: 'wrong' }))));
for (const [name, question] of Object.entries({
  'no width': { width: 0 },
  'a width that is no number': { width: 'wide' },
  'an unknown mode': { mode: 2 },
  'no text': { 'qrcode-content': '' },
  'a text too long': { 'qrcode-content': 'a'.repeat(3000) },
  'a barcode of Chinese': { 'qrcode-content': '你好', mode: 1 },
  'another process': { 'ci-process': 'QRcode' },
})) {
  check(API, name, () => isRefused(400, 'InvalidArgument', '', () => draw(client(), question)));
}
