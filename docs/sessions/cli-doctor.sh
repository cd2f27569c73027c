# Is everything in place?
d1 doctor
D1_CLIENT_KEY=sandbox/signing.key d1 doctor
