/** PRODID of the iCalendar streams the server itself puts together (RFC 5545 §3.7.3). */
export const product = "-//caldavd//NONSGML caldavd//EN";
