// silenceper/wechat: tokens of both kinds, codes with parameters, and reading a picture by its generic calls.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/basic"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
	. "qrstack.test/checks"
)

const codes, scan = "WeChat codes", "WeChat scan"

var toTheServer = strings.NewReplacer("https://api.weixin.qq.com", Origin, "https://mp.weixin.qq.com", Origin)

func account(id, secret string, stable bool) *officialaccount.OfficialAccount {
	return wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID: id, AppSecret: secret, Token: "x", Cache: cache.NewMemory(), UseStableAK: stable,
	})
}

func isRefused(name string, code string, call func() error) {
	Check(codes, name, func() {
		err := call()
		That(err != nil && strings.Contains(err.Error(), "errcode="+code+" ") && strings.Contains(err.Error(), " rid: "), err)
	})
}

func shown(ticket *basic.Ticket) (*http.Response, []byte) {
	address := basic.ShowQRCode(ticket)
	if Way == "endpoint" {
		address = toTheServer.Replace(address)
	}
	answer := Got(http.Get(address))
	defer answer.Body.Close()
	return answer, Got(io.ReadAll(answer.Body))
}

type read struct {
	util.CommonError
	CodeResults []struct {
		TypeName string `json:"type_name"`
		Data     string `json:"data"`
		Pos      *struct {
			LeftTop struct{ X, Y int } `json:"left_top"`
		} `json:"pos"`
	} `json:"code_results"`
	ImgSize struct{ W, H int } `json:"img_size"`
}

func main() {
	if Way == "endpoint" {
		util.SetURIModifier(toTheServer.Replace)
	}
	usual := account(AppID, AppSecret, false)
	scanned := func(file, query string) (answer read) {
		address := "https://api.weixin.qq.com/cv/img/qrcode?access_token=" + Got(usual.GetAccessToken()) + query
		var body []byte
		if file == "" {
			body = Got(util.HTTPGet(address))
		} else {
			body = Got(util.PostFile("img", Picture(file), address))
		}
		Must(json.Unmarshal(body, &answer))
		return answer
	}

	Check(codes, "a token, kept", func() { Equal(Got(usual.GetAccessToken()), Got(usual.GetAccessToken())) })
	Check(codes, "a stable token", func() {
		Equal(Got(account(AppID, AppSecret, true).GetAccessToken()), Got(account(AppID, AppSecret, true).GetAccessToken()))
	})
	isRefused("a wrong secret", "40125", func() error { _, err := account(AppID, "wrong", false).GetAccessToken(); return err })
	isRefused("a wrong secret for a stable token", "40125", func() error { _, err := account(AppID, "wrong", true).GetAccessToken(); return err })
	isRefused("an unknown account", "40013", func() error { _, err := account("wxffffffffffffffff", AppSecret, false).GetAccessToken(); return err })
	Check(codes, "a temporary code and its picture", func() {
		ticket := Got(usual.GetBasic().GetQRTicket(basic.NewTmpQrRequest(30*time.Minute, 123)))
		Equal([]any{ticket.ExpireSeconds, len(ticket.Ticket), ticket.ErrCode, ticket.ErrMsg}, []any{int64(1800), 96, int64(0), ""})
		answer, data := shown(ticket)
		Equal([]any{answer.StatusCode, answer.Header.Get("Content-Type")}, []any{200, "image/jpg"})
		KeepDrawn("silenceper-"+Way+".jpg", data, ticket.URL)
	})
	Check(codes, "a temporary code of a text", func() {
		Equal(Got(usual.GetBasic().GetQRTicket(basic.NewTmpQrRequest(time.Hour, "柜台"))).ExpireSeconds, int64(3600))
	})
	Check(codes, "permanent codes", func() {
		Equal(Got(usual.GetBasic().GetQRTicket(basic.NewLimitQrRequest(100000))).ExpireSeconds, int64(0))
		first, again := Got(usual.GetBasic().GetQRTicket(basic.NewLimitQrRequest("柜台"))), Got(usual.GetBasic().GetQRTicket(basic.NewLimitQrRequest("柜台")))
		Equal(again, first)
	})
	Check(codes, "the picture of an unknown ticket", func() {
		answer, _ := shown(&basic.Ticket{Ticket: "gQunknown"})
		Equal(answer.StatusCode, 404)
	})
	isRefused("a scene too large", "40053", func() error { _, err := usual.GetBasic().GetQRTicket(basic.NewLimitQrRequest(100001)); return err })
	isRefused("an unknown action", "40052", func() error { _, err := usual.GetBasic().GetQRTicket(&basic.Request{ActionName: "QR"}); return err })

	isRefused("a token that has ended", "42001", func() error {
		PassTime("7201s")
		_, err := usual.GetBasic().GetQRTicket(basic.NewLimitQrRequest(1))
		return err
	})
	usual = account(AppID, AppSecret, false)
	Check(codes, "the picture of a code that has ended", func() {
		ticket := Got(usual.GetBasic().GetQRTicket(basic.NewTmpQrRequest(30*time.Minute, 124)))
		PassTime("1801s")
		answer, _ := shown(ticket)
		Equal(answer.StatusCode, 404)
	})

	Check(scan, "a QR code in a file", func() {
		answer := scanned("qr.jpg", "")
		Equal([]any{answer.ErrCode, answer.ErrMsg, answer.ImgSize.W, answer.ImgSize.H}, []any{int64(0), "ok", 300, 300})
		code := answer.CodeResults[0]
		Equal([]string{code.TypeName, code.Data}, []string{"QR_CODE", "https://www.example.com/?q=1"})
		That(code.Pos.LeftTop.X > 0, code)
	})
	Check(scan, "a barcode has no position", func() { That(scanned("bars.png", "").CodeResults[0].Pos == nil) })
	Check(scan, "a picture by address", func() {
		Equal(len(scanned("", "&img_url="+url.QueryEscape(PictureURL("qr.png"))).CodeResults), 1)
	})
	Check(scan, "no code in the picture", func() { Equal(len(scanned("blank.png", "").CodeResults), 0) })
	Check(scan, "no picture", func() { Equal(scanned("text.png", "").ErrCode, int64(101002)) })
	Check(scan, "an address that cannot be reached", func() {
		Equal(scanned("", "&img_url="+url.QueryEscape("http://127.0.0.1:9/qr.png")).ErrCode, int64(101000))
	})
	Check(scan, "nothing", func() { Equal(scanned("", "").ErrCode, int64(41005)) })
}
