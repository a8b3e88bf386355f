module qrstack.test/checks

go 1.24
