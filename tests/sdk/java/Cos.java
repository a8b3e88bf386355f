import com.qcloud.cos.COSClient;
import com.qcloud.cos.ClientConfig;
import com.qcloud.cos.auth.BasicCOSCredentials;
import com.qcloud.cos.auth.BasicSessionCredentials;
import com.qcloud.cos.auth.COSCredentials;
import com.qcloud.cos.endpoint.UserSpecifiedEndpointBuilder;
import com.qcloud.cos.exception.CosServiceException;
import com.qcloud.cos.http.HttpMethodName;
import com.qcloud.cos.http.HttpProtocol;
import com.qcloud.cos.model.ciModel.image.GenerateQrcodeRequest;
import com.qcloud.cos.region.Region;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URL;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** cos_api: qrcode-generate. */
final class Cos {
    private static final String API = "COS";
    private static final String BUCKET = Checks.told("SDK_BUCKET");
    private static final COSCredentials USUAL = new BasicCOSCredentials(Checks.SECRET_ID, Checks.SECRET_KEY);

    private Cos() {
    }

    private static COSClient client(COSCredentials key, Consumer<ClientConfig> more) {
        ClientConfig config = new ClientConfig(new Region(Checks.told("SDK_REGION")));
        switch (Checks.WAY) {
            case "endpoint" -> {
                config.setHttpProtocol(HttpProtocol.http);
                config.setEndpointBuilder(new UserSpecifiedEndpointBuilder(Checks.ENDPOINT, Checks.ENDPOINT));
            }
            case "proxy" -> {
                config.setHttpProxyIp(Checks.PROXY_HOST);
                config.setHttpProxyPort(Checks.PROXY_PORT);
            }
            default -> { }
        }
        more.accept(config);
        return new COSClient(key, config);
    }

    private static COSClient client() {
        return client(USUAL, config -> { });
    }

    private static byte[] draw(COSClient by, String text, String mode, String width) {
        GenerateQrcodeRequest request = new GenerateQrcodeRequest();
        request.setBucketName(BUCKET);
        request.setQrcodeContent(text);
        request.setMode(mode);
        request.setWidth(width);
        try {
            return Base64.getDecoder().decode(by.generateQrcode(request));
        } finally {
            by.shutdown();
        }
    }

    private static void isRefused(String name, int status, String code, String message, COSClient by, String text, String mode, String width) {
        Checks.check(API, name, () -> {
            CosServiceException error = Checks.refused(CosServiceException.class, () -> draw(by, text, mode, width));
            Checks.equal(error.getStatusCode() + " " + error.getErrorCode(), status + " " + code);
            Checks.that(error.getErrorMessage().contains(message), error.getErrorMessage());
            Checks.that(!error.getRequestId().isEmpty() && !error.getTraceId().isEmpty(), error);
        });
    }

    private static int presigned(Date end) throws Exception {
        Map<String, String> question = new HashMap<>(Map.of(
            "ci-process", "qrcode-generate", "qrcode-content", Checks.AWKWARD_TEXT, "width", "200"));
        URL url = client().generatePresignedUrl(BUCKET, "/", end, HttpMethodName.GET, new HashMap<>(), question);
        Proxy proxy = Checks.WAY.equals("proxy")
            ? new Proxy(Proxy.Type.HTTP, new InetSocketAddress(Checks.PROXY_HOST, Checks.PROXY_PORT)) : Proxy.NO_PROXY;
        return ((HttpURLConnection) url.openConnection(proxy)).getResponseCode();
    }

    public static void main(String[] arguments) {
        String text = "https://www.example.com";
        COSCredentials temporary = new BasicSessionCredentials(Checks.TEMPORARY_ID, Checks.TEMPORARY_KEY, Checks.TEMPORARY_TOKEN);

        Checks.check(API, "a QR code", () -> Checks.isPng(draw(client(), text, "0", "200"), 200));
        Checks.check(API, "a QR code of every awkward character", () -> {
            byte[] data = draw(client(), Checks.AWKWARD_TEXT, "0", "300");
            Checks.isPng(data, 300);
            Checks.keepDrawn("cos-java-" + Checks.WAY + ".png", data, Checks.AWKWARD_TEXT);
        });
        Checks.check(API, "a barcode", () -> Checks.isPng(draw(client(), "50090500019191", "1", "400"), 400));
        Checks.check(API, "the mode left out", () -> Checks.isPng(draw(client(), text, null, "200"), 200));
        Checks.check(API, "temporary keys", () -> Checks.isPng(draw(client(temporary, config -> { }), text, "0", "200"), 200));
        Checks.check(API, "a presigned URL", () -> Checks.equal(presigned(new Date(System.currentTimeMillis() + 60_000)), 200));
        Checks.check(API, "a presigned URL that has ended", () -> Checks.equal(presigned(new Date(System.currentTimeMillis() - 60_000)), 403));
        if (Checks.WAY.equals("proxy")) {
            Checks.check(API, "plain http through the proxy", () -> Checks.isPng(
                draw(client(USUAL, config -> config.setHttpProtocol(HttpProtocol.http)), text, "0", "200"), 200));
        }

        isRefused("a wrong key", 403, "SignatureDoesNotMatch", "The Signature you specified is invalid.",
            client(new BasicCOSCredentials(Checks.SECRET_ID, "wrong"), config -> { }), text, "0", "200");
        isRefused("an unknown key", 403, "InvalidAccessKeyId", "does not exist in our records",
            client(new BasicCOSCredentials("AKIDunknown0123456789ABCDEFGHIJKLMN", Checks.SECRET_KEY), config -> { }), text, "0", "200");
        isRefused("a signature that ends before it begins", 403, "AccessDenied", "Access Denied.",
            client(USUAL, config -> config.setSignExpired(-3600)), text, "0", "200");
        isRefused("a signature of yesterday", 403, "AccessDenied", "Request has expired",
            client(new BasicCOSCredentials(Checks.LATE_ID, Checks.SECRET_KEY), config -> { }), text, "0", "200");
        isRefused("a wrong token", 403, "AccessDenied", "Access Denied.",
            client(new BasicSessionCredentials(Checks.TEMPORARY_ID, Checks.TEMPORARY_KEY, "wrong"), config -> { }), text, "0", "200");
        isRefused("no width", 400, "InvalidArgument", "", client(), text, "0", "0");
        isRefused("a width that is no number", 400, "InvalidArgument", "", client(), text, "0", "wide");
        isRefused("an unknown mode", 400, "InvalidArgument", "", client(), text, "2", "200");
        isRefused("no text", 400, "InvalidArgument", "", client(), "", "0", "200");
        isRefused("a text too long", 400, "InvalidArgument", "", client(), "a".repeat(3000), "0", "200");
        isRefused("a barcode of Chinese", 400, "InvalidArgument", "", client(), "你好", "1", "200");
    }
}
