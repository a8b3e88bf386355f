'use strict';
// What every JavaScript program here needs: how the server is reached, and `check`, which prints one line for `tests/sdk/run`.

const assert = require('assert/strict');
const fs = require('fs');
const path = require('path');
const fetch = require('node-fetch');
const HttpsProxyAgent = require('https-proxy-agent');

const told = (name) => {
  assert(process.env[name] !== undefined, `${name} is not set`);
  return process.env[name];
};

const way = told('SDK_WAY');
const endpoint = told('SDK_ENDPOINT');
const secretId = told('SDK_SECRET_ID');
const secretKey = told('SDK_SECRET_KEY');
const lateId = told('SDK_LATE_ID'); // for the server this one's requests are a day old
const temporary = { id: told('SDK_TEMPORARY_ID'), key: told('SDK_TEMPORARY_KEY'), token: told('SDK_TEMPORARY_TOKEN') };
const appId = told('SDK_APPID');
const appSecret = told('SDK_APPSECRET');
const picture = (name) => path.join(told('SDK_PICTURES'), name);

let checks = Promise.resolve();

/** One check of one API, after those before it: it fails by whatever is thrown inside. */
function check(api, name, body) {
  checks = checks.then(async () => {
    let failed = '';
    try {
      await body();
    } catch (error) {
      failed = String((error && error.stack) || error).split('\n').slice(0, 4).join(' ').replace(/\s+/g, ' ') || 'an empty error';
    }
    console.log([api, failed ? 'failed' : 'ok', name, failed].join('\t'));
  });
}

/** The error that a call ends with. */
async function refused(call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    return error;
  }
  assert.fail(`no error, but ${JSON.stringify(answer)}`);
}

/** Lets time pass on the server, for the account at WeChat of this program alone. */
async function passTime(span) {
  const body = JSON.stringify({ credential: appId, advance: span });
  const answer = await fetch(`http://${endpoint}/_qrstack/v1/clock`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  assert.equal(answer.status, 200, await answer.text());
}

/** Leaves a picture that the server drew to `tests/sdk/run`, which reads it. */
function keepDrawn(name, data, text) {
  fs.writeFileSync(path.join(told('SDK_DRAWN'), name), data);
  fs.writeFileSync(path.join(told('SDK_DRAWN'), name.replace(/\.\w+$/, '.txt')), `${text}\n`);
}

module.exports = {
  assert, check, refused, passTime, keepDrawn, picture, way, endpoint, secretId, secretKey, lateId, temporary, appId, appSecret,
  origin: `http://${endpoint}`,
  bucket: told('SDK_BUCKET'),
  region: told('SDK_REGION'),
  pictureUrl: (name) => `${told('SDK_PICTURES_URL')}/${name}`,
  pictureBase64: (name) => fs.readFileSync(picture(name)).toString('base64'),
  /** For clients that know a proxy only as an agent. */
  proxyAgent: way === 'proxy' ? new HttpsProxyAgent(`http://${endpoint}`) : undefined,
  awkwardText: '你好 世界+a&b=c/d?e#f%~!*\'()<>"',
};
