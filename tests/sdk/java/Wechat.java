import java.io.File;
import java.nio.file.Files;
import me.chanjar.weixin.common.bean.imgproc.WxImgProcQrCodeResult;
import me.chanjar.weixin.common.error.WxErrorException;
import me.chanjar.weixin.mp.api.WxMpService;
import me.chanjar.weixin.mp.api.impl.WxMpServiceImpl;
import me.chanjar.weixin.mp.bean.result.WxMpQrCodeTicket;
import me.chanjar.weixin.mp.config.WxMpHostConfig;
import me.chanjar.weixin.mp.config.impl.WxMpDefaultConfigImpl;

/** weixin-java-mp: tokens of both kinds, codes with parameters, reading a picture. */
final class Wechat {
    private static final String CODES = "WeChat codes";
    private static final String SCAN = "WeChat scan";
    private static final String APPID = Checks.told("SDK_APPID");
    private static final String APPSECRET = Checks.told("SDK_APPSECRET");

    private Wechat() {
    }

    private static WxMpService account(String id, String secret, boolean stable) {
        WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
        config.setAppId(id);
        config.setSecret(secret);
        config.setUseStableAccessToken(stable);
        switch (Checks.WAY) {
            case "endpoint" -> config.setHostConfig(new WxMpHostConfig(Checks.ORIGIN, Checks.ORIGIN, Checks.ORIGIN));
            case "proxy" -> {
                config.setHttpProxyHost(Checks.PROXY_HOST);
                config.setHttpProxyPort(Checks.PROXY_PORT);
            }
            default -> { }
        }
        WxMpService service = new WxMpServiceImpl();
        service.setWxMpConfigStorage(config);
        return service;
    }

    private static void isRefused(String api, String name, int code, Checks.Body call) {
        Checks.check(api, name, () -> {
            WxErrorException error = Checks.refused(WxErrorException.class, call);
            Checks.equal(error.getError().getErrorCode(), code);
            Checks.that(error.getError().getJson().contains(" rid: "), error.getError().getJson());
        });
    }

    public static void main(String[] arguments) {
        WxMpService usual = account(APPID, APPSECRET, false);

        Checks.check(CODES, "a token, kept", () -> Checks.equal(usual.getAccessToken(), usual.getAccessToken()));
        Checks.check(CODES, "a token, fetched anew", () -> Checks.that(!usual.getAccessToken().equals(usual.getAccessToken(true)), "the same"));
        Checks.check(CODES, "a stable token", () -> Checks.equal(
            account(APPID, APPSECRET, true).getAccessToken(), account(APPID, APPSECRET, true).getAccessToken()));
        isRefused(CODES, "a wrong secret", 40125, () -> account(APPID, "wrong", false).getAccessToken());
        isRefused(CODES, "a wrong secret for a stable token", 40125, () -> account(APPID, "wrong", true).getAccessToken());
        isRefused(CODES, "an unknown account", 40013, () -> account("wxffffffffffffffff", APPSECRET, false).getAccessToken());
        Checks.check(CODES, "a temporary code and its picture", () -> {
            WxMpQrCodeTicket ticket = usual.getQrcodeService().qrCodeCreateTmpTicket(123, 1800);
            Checks.equal(ticket.getExpireSeconds() + " " + ticket.getTicket().length(), "1800 96");
            File shown = usual.getQrcodeService().qrCodePicture(ticket);
            Checks.keepDrawn("wxjava-" + Checks.WAY + ".jpg", Files.readAllBytes(shown.toPath()), ticket.getUrl());
        });
        Checks.check(CODES, "a temporary code of a text, for the time that the SDK asks for", () -> Checks.equal(
            usual.getQrcodeService().qrCodeCreateTmpTicket("柜台", null).getExpireSeconds(), 30));
        Checks.check(CODES, "permanent codes", () -> {
            Checks.equal(usual.getQrcodeService().qrCodeCreateLastTicket(100_000).getExpireSeconds(), -1);
            Checks.equal(usual.getQrcodeService().qrCodeCreateLastTicket("柜台").getTicket(),
                usual.getQrcodeService().qrCodeCreateLastTicket("柜台").getTicket());
        });
        Checks.check(CODES, "the picture of an unknown ticket", () -> {
            WxMpQrCodeTicket unknown = new WxMpQrCodeTicket();
            unknown.setTicket("gQunknown");
            Exception error = Checks.refused(Exception.class, () -> usual.getQrcodeService().qrCodePicture(unknown));
            Checks.that(error.toString().contains("404"), error);
        });
        isRefused(CODES, "a scene too long", 40053, () -> usual.getQrcodeService().qrCodeCreateLastTicket("x".repeat(65)));
        Checks.check(CODES, "a token that is not in force is fetched anew", () -> {
            WxMpService stale = account(APPID, APPSECRET, false);
            stale.getWxMpConfigStorage().updateAccessToken("unknown", 7200);
            Checks.equal(stale.getQrcodeService().qrCodeCreateTmpTicket(1, 60).getExpireSeconds(), 60);
        });
        Checks.check(CODES, "the picture of a code that has ended", () -> {
            WxMpQrCodeTicket ticket = usual.getQrcodeService().qrCodeCreateTmpTicket(124, 1800);
            Checks.passTime("1801s");
            Exception error = Checks.refused(Exception.class, () -> usual.getQrcodeService().qrCodePicture(ticket));
            Checks.that(error.toString().contains("404"), error);
        });
        Checks.check(CODES, "a token that has ended is fetched anew", () -> {
            Checks.passTime("7201s");
            Checks.equal(usual.getQrcodeService().qrCodeCreateTmpTicket(1, 60).getExpireSeconds(), 60);
        });

        Checks.check(SCAN, "a QR code in a file", () -> {
            WxImgProcQrCodeResult answer = usual.getImgProcService().qrCode(Checks.picture("qr.jpg").toFile());
            Checks.equal(answer.getImgSize().getW() + " " + answer.getImgSize().getH(), "300 300");
            WxImgProcQrCodeResult.CodeResults code = answer.getCodeResults().get(0);
            Checks.equal(code.getTypeName() + " " + code.getData(), "QR_CODE https://www.example.com/?q=1");
            Checks.that(code.getPos().getLeftTop().getX() > 0, code);
        });
        Checks.check(SCAN, "a barcode has no position", () -> Checks.equal(
            usual.getImgProcService().qrCode(Checks.picture("bars.png").toFile()).getCodeResults().get(0).getPos(), null));
        Checks.check(SCAN, "a picture by address", () -> Checks.equal(
            usual.getImgProcService().qrCode(Checks.pictureUrl("qr.png")).getCodeResults().size(), 1));
        Checks.check(SCAN, "no code in the picture", () -> Checks.equal(
            usual.getImgProcService().qrCode(Checks.picture("blank.png").toFile()).getCodeResults().size(), 0));
        isRefused(SCAN, "no picture", 101002, () -> usual.getImgProcService().qrCode(Checks.picture("text.png").toFile()));
        isRefused(SCAN, "an address that cannot be reached", 101000, () -> usual.getImgProcService().qrCode("http://127.0.0.1:9/qr.png"));
    }
}
