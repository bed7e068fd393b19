// The installed packages: they live beside the build, not beside these files.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.BROWSER_TOOLS}/`);
export const { chromium } = require("playwright-core");
export const { SMTPServer } = require("smtp-server");
export const nodemailer = require("nodemailer");
export const AXE = require.resolve("axe-core/axe.min.js");
const postalMime = require("postal-mime");
export const readMail = (raw) => (postalMime.default ?? postalMime).parse(raw);
