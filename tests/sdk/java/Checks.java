import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Objects;

/** What every Java program here needs: how the server is reached, and {@link #check}, which prints one line for tests/sdk/run. */
final class Checks {
    static final String WAY = told("SDK_WAY");
    static final String ENDPOINT = told("SDK_ENDPOINT");
    static final String ORIGIN = "http://" + ENDPOINT;
    static final String PROXY_HOST = ENDPOINT.split(":")[0];
    static final int PROXY_PORT = Integer.parseInt(ENDPOINT.split(":")[1]);
    static final String SECRET_ID = told("SDK_SECRET_ID");
    static final String SECRET_KEY = told("SDK_SECRET_KEY");
    /** With the same key; for the server its requests are a day old. */
    static final String LATE_ID = told("SDK_LATE_ID");
    static final String TEMPORARY_ID = told("SDK_TEMPORARY_ID");
    static final String TEMPORARY_KEY = told("SDK_TEMPORARY_KEY");
    static final String TEMPORARY_TOKEN = told("SDK_TEMPORARY_TOKEN");
    static final String AWKWARD_TEXT = "你好 世界+a&b=c/d?e#f%~!*'()<>\"";

    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Checks() {
    }

    interface Body {
        void run() throws Exception;
    }

    static String told(String name) {
        return Objects.requireNonNull(System.getenv(name), name + " is not set");
    }

    /** One check of one API: it fails by whatever is thrown inside. */
    static void check(String api, String name, Body body) {
        String state = "ok";
        String detail = "";
        try {
            body.run();
        } catch (Exception | AssertionError failed) {
            state = "failed";
            ByteArrayOutputStream trace = new ByteArrayOutputStream();
            failed.printStackTrace(new PrintStream(trace, true, StandardCharsets.UTF_8));
            detail = trace.toString(StandardCharsets.UTF_8).replaceAll("\\s+", " ");
        }
        OUT.println(String.join("\t", api, state, name, detail));
    }

    static void equal(Object found, Object expected) {
        that(Objects.equals(found, expected), found + " instead of " + expected);
    }

    static void that(boolean holds, Object words) {
        if (!holds) {
            throw new AssertionError(words);
        }
    }

    /** The exception of this type that a call ends with. */
    static <E extends Exception> E refused(Class<E> kind, Body call) throws Exception {
        try {
            call.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw error;
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    /** Lets time pass on the server, for the account at WeChat of this program alone. */
    static void passTime(String span) throws Exception {
        String body = "{\"credential\": \"" + told("SDK_APPID") + "\", \"advance\": \"" + span + "\"}";
        HttpRequest request = HttpRequest.newBuilder(URI.create(ORIGIN + "/_qrstack/v1/clock"))
            .header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body)).build();
        HttpClient client = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).version(HttpClient.Version.HTTP_1_1).build();
        equal(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode(), 200);
    }

    static Path picture(String name) {
        return Path.of(told("SDK_PICTURES"), name);
    }

    static String pictureUrl(String name) {
        return told("SDK_PICTURES_URL") + "/" + name;
    }

    static String pictureBase64(String name) throws Exception {
        return Base64.getEncoder().encodeToString(Files.readAllBytes(picture(name)));
    }

    static void isPng(byte[] data, int width) {
        equal(new String(Arrays.copyOfRange(data, 1, 4), StandardCharsets.US_ASCII), "PNG");
        equal((data[18] & 255) << 8 | data[19] & 255, width);
    }

    /** Leaves a picture that the server drew to tests/sdk/run, which reads it. */
    static void keepDrawn(String name, byte[] data, String text) throws Exception {
        Path path = Path.of(told("SDK_DRAWN"), name);
        Files.write(path, data);
        Files.writeString(path.resolveSibling(name.replaceAll("\\.\\w+$", ".txt")), text + "\n");
    }
}
