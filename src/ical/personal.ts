export const withoutPersonal = (text: string): string => text;
export const laidOver = (base: string, _own: string): string => base;
