# Which settings hold, and does D1 give a token?
d1 config show --timeout 10 --output json | head -20
d1 token
d1 token --base-url https://api.d1.thalescloud.io
