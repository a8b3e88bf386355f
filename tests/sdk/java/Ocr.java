import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.tencentcloudapi.common.AbstractModel;
import com.tencentcloudapi.common.Credential;
import com.tencentcloudapi.common.exception.TencentCloudSDKException;
import com.tencentcloudapi.common.profile.ClientProfile;
import com.tencentcloudapi.common.profile.HttpProfile;
import com.tencentcloudapi.common.profile.Language;
import com.tencentcloudapi.ocr.v20181119.OcrClient;
import com.tencentcloudapi.ocr.v20181119.models.QrcodeOCRRequest;
import com.tencentcloudapi.ocr.v20181119.models.QrcodeOCRResponse;
import com.tencentcloudapi.ocr.v20181119.models.QrcodeResultsInfo;
import java.util.function.Consumer;

/** tencentcloud-sdk-java-ocr: QrcodeOCR, and QueryBarCode by its generic call. */
final class Ocr {
    private static final String API = "Tencent OCR";
    private static final Credential USUAL = new Credential(Checks.SECRET_ID, Checks.SECRET_KEY);
    private static final Credential WRONG = new Credential(Checks.SECRET_ID, "wrong");

    private Ocr() {
    }

    private static OcrClient client(Credential key, String region, Consumer<ClientProfile> more) {
        HttpProfile http = new HttpProfile();
        switch (Checks.WAY) {
            case "endpoint" -> {
                http.setEndpoint(Checks.ENDPOINT);
                http.setProtocol(HttpProfile.REQ_HTTP);
            }
            case "proxy" -> {
                http.setProxyHost(Checks.PROXY_HOST);
                http.setProxyPort(Checks.PROXY_PORT);
            }
            default -> { }
        }
        ClientProfile profile = new ClientProfile();
        profile.setHttpProfile(http);
        more.accept(profile);
        return new OcrClient(key, region, profile);
    }

    private static OcrClient client(Credential key) {
        return client(key, "ap-guangzhou", profile -> { });
    }

    private static OcrClient client(Consumer<ClientProfile> more) {
        return client(USUAL, "ap-guangzhou", more);
    }

    private static QrcodeOCRRequest picture(String name) throws Exception {
        QrcodeOCRRequest request = new QrcodeOCRRequest();
        request.setImageBase64(Checks.pictureBase64(name));
        return request;
    }

    private static QrcodeOCRRequest address(String url) {
        QrcodeOCRRequest request = new QrcodeOCRRequest();
        request.setImageUrl(url);
        return request;
    }

    private static JsonObject lookUp(OcrClient by, String code) throws TencentCloudSDKException {
        String answer = by.call("QueryBarCode", "{\"BarCode\":\"" + code + "\"}");
        return JsonParser.parseString(answer).getAsJsonObject().getAsJsonObject("Response");
    }

    private static void isTheQrCode(QrcodeOCRResponse answer) {
        Checks.equal(answer.getCodeResults().length, 1);
        QrcodeResultsInfo code = answer.getCodeResults()[0];
        Checks.equal(code.getTypeName() + " " + code.getUrl(), "QR_CODE https://www.example.com/?q=1");
        long left = code.getPosition().getLeftTop().getX();
        long right = code.getPosition().getRightBottom().getX();
        Checks.that(0 < left && left < right && right < 300, AbstractModel.toJsonString(answer));
        Checks.equal(answer.getImgSize().getWide() + " " + answer.getImgSize().getHigh(), "300 300");
        Checks.equal(answer.getRequestId().length(), 36);
    }

    private static void isRead(String name, OcrClient by) {
        Checks.check(API, "QrcodeOCR: " + name, () -> isTheQrCode(by.QrcodeOCR(address(Checks.pictureUrl("qr.png")))));
    }

    private static void isRefused(String name, String code, String message, Checks.Body call) {
        Checks.check(API, name, () -> {
            TencentCloudSDKException error = Checks.refused(TencentCloudSDKException.class, call);
            Checks.equal(error.getErrorCode(), code);
            Checks.that(error.getMessage().contains(message), error.getMessage());
            Checks.equal(error.getRequestId().length(), 36);
        });
    }

    public static void main(String[] arguments) throws Exception {
        QrcodeOCRRequest qr = picture("qr.png");
        QrcodeOCRRequest blank = picture("blank.png");
        QrcodeOCRRequest tooLarge = new QrcodeOCRRequest();
        tooLarge.setImageBase64("A".repeat(3_145_732));
        Credential temporary = new Credential(Checks.TEMPORARY_ID, Checks.TEMPORARY_KEY, Checks.TEMPORARY_TOKEN);

        Checks.check(API, "QrcodeOCR: a QR code", () -> isTheQrCode(client(USUAL).QrcodeOCR(qr)));
        Checks.check(API, "QrcodeOCR: a barcode has no position", () -> {
            QrcodeResultsInfo code = client(USUAL).QrcodeOCR(picture("bars.png")).getCodeResults()[0];
            Checks.equal(code.getTypeName() + " " + code.getPosition().getLeftTop().getX(), "CODE-128 -1");
        });
        isRead("a picture by address", client(USUAL));
        isRead("HmacSHA1", client(profile -> profile.setSignMethod(ClientProfile.SIGN_SHA1)));
        isRead("HmacSHA256", client(profile -> profile.setSignMethod(ClientProfile.SIGN_SHA256)));
        isRead("HmacSHA1 by GET", client(profile -> {
            profile.setSignMethod(ClientProfile.SIGN_SHA1);
            profile.getHttpProfile().setReqMethod(HttpProfile.REQ_GET);
        }));
        isRead("TC3 by GET", client(profile -> profile.getHttpProfile().setReqMethod(HttpProfile.REQ_GET)));
        isRead("the body left out of the signature", client(profile -> profile.setUnsignedPayload(true)));
        isRead("temporary keys", client(temporary));
        isRefused("QrcodeOCR: no code in the picture", "FailedOperation.ImageNoText", "图片中未检测到文本", () -> client(USUAL).QrcodeOCR(blank));
        isRefused("QrcodeOCR: an error in English", "FailedOperation.ImageNoText", "No text is detected",
            () -> client(profile -> profile.setLanguage(Language.EN_US)).QrcodeOCR(blank));
        isRefused("QrcodeOCR: no picture", "FailedOperation.ImageDecodeFailed", "", () -> client(USUAL).QrcodeOCR(picture("text.png")));
        isRefused("QrcodeOCR: nothing", "FailedOperation.EmptyImageError", "", () -> client(USUAL).QrcodeOCR(new QrcodeOCRRequest()));
        isRefused("QrcodeOCR: an address that cannot be reached", "FailedOperation.DownLoadError", "",
            () -> client(USUAL).QrcodeOCR(address("http://127.0.0.1:9/qr.png")));
        isRefused("QrcodeOCR: a file too large", "LimitExceeded.TooLargeFileError", "", () -> client(USUAL).QrcodeOCR(tooLarge));
        isRefused("QrcodeOCR: a wrong key", "AuthFailure.SignatureFailure", "could not be validated", () -> client(WRONG).QrcodeOCR(qr));
        isRefused("QrcodeOCR: a wrong key, told in Chinese", "AuthFailure.SignatureFailure", "签名验证失败",
            () -> client(WRONG, "ap-guangzhou", profile -> profile.setLanguage(Language.ZH_CN)).QrcodeOCR(qr));
        isRefused("QrcodeOCR: an unknown key", "AuthFailure.SecretIdNotFound", "",
            () -> client(new Credential("AKIDunknown", Checks.SECRET_KEY)).QrcodeOCR(qr));
        isRefused("QrcodeOCR: a signature of yesterday", "AuthFailure.SignatureExpire", "",
            () -> client(new Credential(Checks.LATE_ID, Checks.SECRET_KEY)).QrcodeOCR(qr));
        isRefused("QrcodeOCR: a wrong token", "AuthFailure.TokenFailure", "",
            () -> client(new Credential(Checks.TEMPORARY_ID, Checks.TEMPORARY_KEY, "wrong")).QrcodeOCR(qr));
        isRefused("QrcodeOCR: a region without this action", "UnsupportedRegion", "",
            () -> client(USUAL, "ap-shanghai", profile -> { }).QrcodeOCR(qr));

        Checks.check(API, "QueryBarCode: a product", () -> {
            JsonObject answer = lookUp(client(USUAL), "6941858722888");
            JsonObject product = answer.getAsJsonArray("ProductDataRecords").get(0).getAsJsonObject();
            Checks.equal(answer.get("BarCode").getAsString(), "06941858722888");
            Checks.equal(product.get("ProductName").getAsString() + product.get("CheckResult").getAsString(), "真快洁涂擦式清洁剂1");
        });
        isRefused("QueryBarCode: a wrong check digit", "InvalidParameter.InvalidGTINError", "GTIN", () -> lookUp(client(USUAL), "6941858722889"));
        isRefused("QueryBarCode: a wrong key", "AuthFailure.SignatureFailure", "", () -> lookUp(client(WRONG), "6941858722888"));
    }
}
