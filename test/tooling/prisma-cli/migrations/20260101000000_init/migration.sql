-- CreateEnum
CREATE TYPE "Mood" AS ENUM ('calm', 'busy');

-- CreateTable
CREATE TABLE "Author" (
    "id" SERIAL NOT NULL,
    "email" TEXT NOT NULL,
    "mood" "Mood" NOT NULL DEFAULT 'calm',
    "tags" TEXT[],

    CONSTRAINT "Author_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Book" (
    "id" SERIAL NOT NULL,
    "title" TEXT NOT NULL,
    "authorId" INTEGER NOT NULL,

    CONSTRAINT "Book_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Author_email_key" ON "Author"("email");

-- AddForeignKey
ALTER TABLE "Book" ADD CONSTRAINT "Book_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "Author"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Written by hand, because Prisma's schema language has no check constraints and no functions. The
-- semicolons in the string and in the function body do not end the statements.
ALTER TABLE "Book" ADD CONSTRAINT "Book_title_check" CHECK ("title" <> ';');

CREATE FUNCTION "shout"("words" TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
BEGIN
    RETURN upper("words") || ';';
END;
$$;
