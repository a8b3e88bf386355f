'use strict';
// tencentcloud-sdk-nodejs-ocr: QrcodeOCR, and QueryBarCode by its generic request. This SDK takes `http_proxy` for its proxy.

const { ocr } = require('tencentcloud-sdk-nodejs-ocr');
const { assert, check, refused, pictureBase64, pictureUrl, way, endpoint, secretId, secretKey, lateId, temporary } = require('./checks');

const API = 'Tencent OCR';
const TO_THE_SERVER = way === 'endpoint' ? { endpoint, protocol: 'http://' } : {};

function client({ id = secretId, key = secretKey, token, region = 'ap-guangzhou', reqMethod = 'POST', ...profile } = {}) {
  return new ocr.v20181119.Client({
    credential: { secretId: id, secretKey: key, token }, region, profile: { ...profile, httpProfile: { reqMethod, ...TO_THE_SERVER } },
  });
}

async function isRefused(code, message, call) {
  const error = await refused(call);
  assert.equal(error.code, code, error.stack);
  assert(error.message.includes(message), error.message);
  assert.equal(error.getRequestId().length, 36);
}

function isTheQrCode(answer) {
  const [code] = answer.CodeResults;
  assert.deepEqual([answer.CodeResults.length, code.TypeName, code.Url], [1, 'QR_CODE', 'https://www.example.com/?q=1']);
  const { LeftTop, RightBottom } = code.Position;
  assert(Number.isInteger(LeftTop.X) && LeftTop.X > 0 && LeftTop.X < RightBottom.X && RightBottom.Y < 300, JSON.stringify(code));
  assert.deepEqual(answer.ImgSize, { Wide: 300, High: 300 });
  assert.equal(answer.RequestId.length, 36);
}

const qr = { ImageBase64: pictureBase64('qr.png') };
const blank = { ImageBase64: pictureBase64('blank.png') };

check(API, 'QrcodeOCR: a QR code', async () => isTheQrCode(await client().QrcodeOCR(qr)));
check(API, 'QrcodeOCR: a barcode has no position', async () => {
  const [code] = (await client().QrcodeOCR({ ImageBase64: pictureBase64('bars.png') })).CodeResults;
  assert.deepEqual([code.TypeName, code.Url, code.Position.LeftTop], ['CODE-128', '50090500019191', { X: -1, Y: -1 }]);
});
for (const [name, arrangement] of Object.entries({
  'a picture by address': {},
  HmacSHA1: { signMethod: 'HmacSHA1' },
  HmacSHA256: { signMethod: 'HmacSHA256' },
  'HmacSHA1 by GET': { signMethod: 'HmacSHA1', reqMethod: 'GET' },
  'TC3 by GET': { reqMethod: 'GET' },
  'temporary keys': { id: temporary.id, key: temporary.key, token: temporary.token },
})) {
  check(API, `QrcodeOCR: ${name}`, async () => isTheQrCode(await client(arrangement).QrcodeOCR({ ImageUrl: pictureUrl('qr.png') })));
}
check(API, 'QrcodeOCR: a multipart body', async () => {
  isTheQrCode(await client().request('QrcodeOCR', { ImageUrl: pictureUrl('qr.png') }, { multipart: true }));
});
check(API, 'QrcodeOCR: no code in the picture', () => isRefused('FailedOperation.ImageNoText', '图片中未检测到文本', () => client().QrcodeOCR(blank)));
check(API, 'QrcodeOCR: an error in English', () => isRefused('FailedOperation.ImageNoText', 'No text is detected',
  () => client({ language: 'en-US' }).QrcodeOCR(blank)));
check(API, 'QrcodeOCR: no picture', () => isRefused('FailedOperation.ImageDecodeFailed', '图片解码失败',
  () => client().QrcodeOCR({ ImageBase64: pictureBase64('text.png') })));
check(API, 'QrcodeOCR: nothing', () => isRefused('FailedOperation.EmptyImageError', '图片内容为空', () => client().QrcodeOCR({})));
check(API, 'QrcodeOCR: an address that cannot be reached', () => isRefused('FailedOperation.DownLoadError', '文件下载失败',
  () => client().QrcodeOCR({ ImageUrl: 'http://127.0.0.1:9/qr.png' })));
check(API, 'QrcodeOCR: a file too large', () => isRefused('LimitExceeded.TooLargeFileError', '文件内容太大',
  () => client().QrcodeOCR({ ImageBase64: 'A'.repeat(3_145_732) })));
check(API, 'QrcodeOCR: a wrong key', () => isRefused('AuthFailure.SignatureFailure', 'could not be validated', () => client({ key: 'wrong' }).QrcodeOCR(qr)));
check(API, 'QrcodeOCR: a wrong key, told in Chinese', () => isRefused('AuthFailure.SignatureFailure', '签名验证失败',
  () => client({ key: 'wrong', language: 'zh-CN' }).QrcodeOCR(qr)));
check(API, 'QrcodeOCR: an unknown key', () => isRefused('AuthFailure.SecretIdNotFound', 'SecretId is not found', () => client({ id: 'AKIDunknown' }).QrcodeOCR(qr)));
check(API, 'QrcodeOCR: a wrong token', () => isRefused('AuthFailure.TokenFailure', '',
  () => client({ id: temporary.id, key: temporary.key, token: 'wrong' }).QrcodeOCR(qr)));
check(API, 'QrcodeOCR: a signature of yesterday', () => isRefused('AuthFailure.SignatureExpire', 'signature is expired', () => client({ id: lateId }).QrcodeOCR(qr)));
check(API, 'QrcodeOCR: without a signature', () => isRefused('AuthFailure.InvalidAuthorization', '',
  () => client().request('QrcodeOCR', qr, { skipSign: true })));
check(API, 'QrcodeOCR: a region without this action', () => isRefused('UnsupportedRegion', '', () => client({ region: 'ap-shanghai' }).QrcodeOCR(qr)));

check(API, 'QueryBarCode: a product', async () => {
  const answer = await client().request('QueryBarCode', { BarCode: '6941858722888' });
  assert.deepEqual(Object.keys(answer), ['BarCode', 'ProductDataRecords', 'RequestId']);
  const [product] = answer.ProductDataRecords;
  assert.deepEqual([answer.BarCode, product.ProductName, product.CheckResult], ['06941858722888', '真快洁涂擦式清洁剂', '1']);
});
check(API, 'QueryBarCode: an unknown product', async () => {
  const [product] = (await client().request('QueryBarCode', { BarCode: '6901234567892' })).ProductDataRecords;
  assert.deepEqual([product.ProductName, product.ImageLink, product.CheckResult], ['', [''], '4']);
});
check(API, 'QueryBarCode: a wrong check digit', () => isRefused('InvalidParameter.InvalidGTINError', 'GTIN',
  () => client().request('QueryBarCode', { BarCode: '6941858722889' })));
check(API, 'an unknown action', () => isRefused('InvalidAction', 'QueryQrCode', () => client().request('QueryQrCode', {})));
